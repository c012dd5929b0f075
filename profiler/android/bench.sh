# What the bench does on the phone. Pushed to <root>/store/<sha256>/bench.sh and run by the phone's own sh.
#
# It must run in Android 7's mksh with toybox as in a desktop's dash with coreutils. So: no here-documents (Android 7 has no
# folder for them), no awk (Android 9), no sha256sum taken for granted (Android 8), and every command that might read standard
# input gets /dev/null. Times are seconds of uptime: the wall clock of a phone jumps.
#
# Under <root>:
#   store/<sha256>/NAME   runner, runtime and this file, kept between campaigns
#   journal               the settings as they were: "boot id BOOT", then one "namespace key value" line each
#   beat                  when the bench last showed a sign of life
#   lock/                 owner, boot_id, delay: who has the phone, and for how long without a beat
#   runner.pid, watchdog  process ids: of the batch whose runner works, of the watchdog
#   work/<campaign>/      plan.txt, gate.sh, models/, out/, since (uptime at the batch's begin), bundle.tar, results.tar;
#                         detached.*: pid, out, err and code of a batch that needs no cable
#
# Exit codes: 0; 1 something failed (stderr says what); 64 wrong usage; 75 not now (stdout or stderr says why).

root=${0%/store/*}
journal=$root/journal
beat=$root/beat
lock=$root/lock
newline='
'

# namespace:key:value that a measurement wants. Account sync has no shell command; airplane mode keeps it off the air.
wanted='radio:airplane:enabled radio:bluetooth:disabled radio:wifi:disabled
    global:low_power:0 global:stay_on_while_plugged_in:7
    system:screen_off_timeout:2147483647 system:screen_brightness_mode:0 system:screen_brightness:60
    global:window_animation_scale:0 global:transition_animation_scale:0 global:animator_duration_scale:0
    power:fixed_performance:true log:main:8M'

fail() {
    echo "$1" >&2
    exit "${2:-1}"
}

read_clock() {
    read -r now _ </proc/uptime && now=${now%%.*}
    read -r boot_id 2>/dev/null </proc/sys/kernel/random/boot_id || boot_id=unknown
}

# first FILE: its first line; nothing where there is none.
first() {
    line=
    [ -r "$1" ] && read -r line <"$1"
    echo "$line"
}

give_sign() {
    read_clock
    echo "$now" >"$beat.$$" && mv -f "$beat.$$" "$beat"
}

# Does somebody have the phone, and did he show a sign of life in this boot and lately?
lock_is_fresh() {
    read_clock
    [ "$(first "$lock/boot_id")" = "$boot_id" ] || return 1
    age=$((now - $(number "$(first "$beat")")))
    [ "$age" -ge 0 ] && [ "$age" -le "$(number "$(first "$lock/delay")")" ]
}

number() {
    case $1 in
    '' | *[!0-9]*) echo 0 ;;
    *) echo "$1" ;;
    esac
}

# ---- settings

# Print a setting in one word; fail where the phone does not tell it.
get() {
    case $1:$2 in
    radio:airplane) value=$(cmd connectivity airplane-mode </dev/null 2>/dev/null) ;;
    radio:wifi | radio:bluetooth) # 2 is "on, though in airplane mode"; 3 "off, until airplane mode ends"
        case $(settings get global "$2_on" </dev/null 2>/dev/null) in
        1 | 2) value=enabled ;;
        0 | 3) value=disabled ;;
        *) return 1 ;;
        esac ;;
    power:fixed_performance) # cannot be read; nothing but a shell or a test turns it on, and a boot turns it off
        cmd power help </dev/null 2>/dev/null | grep -q fixed-performance || return 1
        value=false ;;
    log:main) # "main: ring buffer is 256Kb (...", later "... 256 KiB (..."
        value=$(logcat -b main -g </dev/null 2>/dev/null | sed -n 's/.*buffer is \([0-9]*\) *\([KM]\).*/\1\2/p') ;;
    *) value=$(settings get "$1" "$2" </dev/null 2>/dev/null) ;;
    esac
    case $value in
    '' | *[!A-Za-z0-9._-]*) return 1 ;;
    esac
    echo "$value"
}

put() {
    case $1:$2:$3 in
    radio:airplane:*) cmd connectivity airplane-mode "${3%d}" ;;
    radio:*) svc "$2" "${3%d}" ;;
    power:*) cmd power set-fixed-performance-mode-enabled "$3" ;;
    log:*) logcat -b "$2" -G "$3" ;;
    *:null) settings delete "$1" "$2" ;;
    *) settings put "$1" "$2" "$3" ;;
    esac </dev/null >/dev/null 2>&1
}

may_set() {
    for entry in $wanted; do
        [ "${entry%:*}" = "$1:$2" ] && return 0
    done
    return 1
}

# Set one thing as it was, and look whether it is.
put_back() {
    may_set "$1" "$2" || return 0
    if [ "$1" = power ]; then put "$1" "$2" "$3"; return; fi
    [ "$(get "$1" "$2")" != "$3" ] || return 0
    put "$1" "$2" "$3"
    pauses=0
    [ "$1" != radio ] || pauses='0 1 2 3' # a radio takes a moment
    for pause in $pauses; do
        sleep "$pause"
        [ "$(get "$1" "$2")" != "$3" ] || return 0
    done
    return 1
}

# Set everything as the journal says it was; the journal stays until that is so.
restore() {
    [ -f "$journal" ] || return 0
    left=
    while read -r namespace key value; do
        [ "$namespace" = boot ] || put_back "$namespace" "$key" "$value" || left="$left $namespace/$key"
    done <"$journal"
    [ -z "$left" ] || { echo "could not be set back yet:$left" >&2; return 1; }
    rm -f "$journal"
}

# Write down how things are, once; then set them as a measurement wants them.
prepare() { # [keep-wifi]
    if [ ! -f "$journal" ]; then
        read_clock
        originals="boot id $boot_id"
        for entry in $wanted; do
            pair=${entry%:*}
            case $1:$pair in keep-wifi:radio:airplane | keep-wifi:radio:wifi) continue ;; esac
            value=$(get "${pair%:*}" "${pair#*:}") && originals="$originals$newline${pair%:*} ${pair#*:} $value"
        done
        echo "$originals" >"$journal.$$" && sync && mv -f "$journal.$$" "$journal" || fail "the journal cannot be written"
    fi
    while read -r namespace key _; do
        for entry in $wanted; do
            [ "${entry%:*}" = "$namespace:$key" ] || continue
            put "$namespace" "$key" "${entry##*:}" || echo "refused $namespace $key"
        done
    done <"$journal"
    { input keyevent 224; wm dismiss-keyguard; } </dev/null >/dev/null 2>&1 # 224 wakes the screen and never darkens it
    return 0
}

# ---- processes

# is_ours PID: does this process run something of the store?
is_ours() {
    [ -r "/proc/$1/cmdline" ] && tr '\0' ' ' <"/proc/$1/cmdline" | grep -qF "$root/store/"
}

# End the process that FILE names, if it is one of the bench's.
end_process() { # FILE
    pid=$(number "$(first "$1")")
    [ "$pid" -gt 1 ] && is_ours "$pid" && kill -TERM "$pid" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        is_ours "$pid" || break
        sleep 0.5
    done
    is_ours "$pid" && kill -KILL "$pid" 2>/dev/null
    rm -f "$1"
}

watch() { # DELAY_S
    end_process "$root/watchdog"
    give_sign || fail "no sign of life can be written"
    setsid sh "$0" watching "$1" </dev/null >/dev/null 2>&1 &
    for _ in 1 2 3 4 5 6 7 8 9 10; do # until it can be found again by its number
        [ ! -s "$root/watchdog" ] || return 0
        sleep 0.1
    done
    fail "no watchdog could be started"
}

watching() { # DELAY_S
    trap 'kill $pause 2>/dev/null; exit 0' TERM
    echo $$ >"$root/watchdog"
    step=$(($1 / 10))
    [ "$step" -ge 1 ] || step=1
    [ "$step" -le 30 ] || step=30
    while [ -f "$journal" ] && [ "$(first "$root/watchdog")" = $$ ]; do
        sleep "$step" &
        pause=$!
        wait $pause
        lock_is_fresh && continue
        end_process "$root/runner.pid"
        restore && rm -rf "$lock"
    done
    [ "$(first "$root/watchdog")" = $$ ] && rm -f "$root/watchdog"
    exit 0
}

# ---- who has the phone

take_lock() { # OWNER DELAY_S [INSTEAD_OF]
    mkdir -p "$root" && : >>"$root/mutex" || fail "$root cannot be written"
    exec 3>"$root/mutex"
    flock 3 3>&3 # named again because mksh hides its descriptors from commands
    holder=$(first "$lock/owner")
    if lock_is_fresh && [ "$holder" != "$1" ] && [ "$holder" != "$3" ]; then
        echo "$holder"
        exit 75
    fi
    end_process "$root/runner.pid"
    rm -rf "$lock"
    mkdir "$lock" && echo "$boot_id" >"$lock/boot_id" && echo "$2" >"$lock/delay" && echo "$1" >"$lock/owner" &&
        give_sign || fail "the lock cannot be written"
}

# Let the phone go as it was found. Whoever has lost it leaves it alone: somebody else may have it.
let_go() { # OWNER
    [ "$(first "$lock/owner")" = "$1" ] || return 0
    end_process "$root/runner.pid"
    restore || return 1 # the watchdog tries again
    end_process "$root/watchdog"
    rm -rf "$lock"
}

contact() {
    state=none
    if [ -d "$lock" ]; then
        if lock_is_fresh; then state=fresh; else state=stale; fi
    fi
    owner=$(first "$lock/owner")
    if [ -f "$journal" ] && [ "$state" != fresh ]; then
        end_process "$root/runner.pid"
        end_process "$root/watchdog"
        restore && rm -rf "$lock" && echo "restored"
    fi
    echo "lock $state $owner"
    for folder in "$root"/store/*/; do
        folder=${folder%/}
        for file in "$folder"/*; do
            [ -f "$file" ] && echo "store ${folder##*/} ${file##*/}"
        done
    done
    return 0
}

# Take pushed files into the store: each is checked where the phone can, then renamed. What is not named goes, unless
# somebody works with it.
adopt() { # [SHA256 NAME]...
    keep=' '
    while [ $# -ge 2 ]; do
        keep="$keep$1 "
        part=$root/store/$1.part
        if [ -f "$part" ]; then
            if command -v sha256sum >/dev/null; then
                sum=$(sha256sum "$part")
                [ "${sum%% *}" = "$1" ] || { rm -f "$part"; fail "$2 arrived damaged"; }
            fi
            chmod 755 "$part" && mkdir -p "$root/store/$1" && mv -f "$part" "$root/store/$1/$2" || fail "$2 cannot be stored"
        fi
        [ -f "$root/store/$1/$2" ] || fail "$2 did not arrive"
        shift 2
    done
    lock_is_fresh && return 0
    for entry in "$root"/store/*; do
        case $keep in *" ${entry##*/} "*) ;; *) rm -rf "$entry" ;; esac
    done
}

# ---- conditions

# Print the phone's state as "key=value ..."; 75 with the reason while it may not measure.
gate() { # MIN_LEVEL MAX_LEVEL MAX_TEMPERATURE_DC MAX_THERMAL
    battery=$(dumpsys battery </dev/null 2>/dev/null)
    [ -n "$battery" ] || fail "the phone does not tell its battery's state"
    level=$(field level) scale=$(field scale) temperature=$(field temperature)
    [ "$(number "$scale")" -gt 0 ] && [ -n "$level" ] && level=$((level * 100 / scale))
    case $(field status) in
    2) status=charging ;; 3) status=discharging ;; 4) status=not_charging ;; 5) status=full ;; *) status=unknown ;;
    esac
    plugged=none
    for source in AC USB Wireless Dock; do
        [ "$(field "$source powered")" = true ] && plugged=$source
    done
    # Before Android 10 there is no thermal service.
    thermal=$(dumpsys thermalservice </dev/null 2>/dev/null | sed -n 's/^ *Thermal Status: *\([0-9]*\).*/\1/p')
    told="status=$status plugged=$plugged"
    [ -z "$thermal" ] || told="thermal=$thermal $told"
    [ -z "$temperature" ] || told="temperature_dc=$temperature $told"
    [ -z "$level" ] || told="level=$level $told"
    reason=$(objection "$@")
    [ -z "$reason" ] || fail "$reason" 75
    echo "$told"
}

# field NAME: a value of dumpsys battery.
field() {
    echo "$battery" | tr -d '\r' | sed -n "s/^ *$1: *//p" | sed -n 1p
}

objection() { # as gate
    if [ -n "$level" ] && [ "$level" -lt "$1" ]; then
        case $status:$plugged in
        charging:*) echo "battery $level %, charging to $1 %" ;;
        *:none) echo "battery $level %, below $1 %: plug it in" ;;
        *) echo "battery $level %, below $1 %, and does not charge: check charger and cable" ;;
        esac
    elif [ -n "$level" ] && [ "$level" -gt "$2" ] && [ "$status" = charging ]; then
        # A full or a resting battery neither heats nor drains: it is charging above the limit that is waited for.
        echo "battery $level %, charging above $2 %: it is measured when full"
    elif [ -n "$temperature" ] && [ "$temperature" -gt "$3" ]; then
        echo "battery $((temperature / 10)).$((temperature % 10)) C, above $(($3 / 10)).$(($3 % 10)) C: cooling down"
    elif [ -n "$thermal" ] && [ "$thermal" -gt "$4" ]; then
        echo "thermal status $thermal, above $4: cooling down"
    fi
}

# ---- batches

# Keep what the phone's log holds of the runner's lines, behind the uptime at which the batch began: a second witness, without
# which the runs count all the same.
keep_log() {
    [ -s since ] && [ ! -s out/logcat.txt ] || return 0
    { echo "since $(first since)" && logcat -b main -d -v threadtime -s AutoCoMET:I </dev/null; } >logcat.part 2>/dev/null &&
        mv -f logcat.part out/logcat.txt || rm -f logcat.part
}

# Pack what was finished into results.tar and say how large it is, and its digest. What was not finished goes.
pack() {
    rm -rf out/*/*.part results.part
    mkdir -p out && keep_log
    tar -cf results.part out || { rm -f out/logcat.txt && tar -cf results.part out; } # the log is what can be spared
    [ $? = 0 ] && mv -f results.part results.tar || { rm -f results.part; return 1; }
    rm -rf out since
    digest=md5
    command -v sha256sum >/dev/null && digest=sha256
    sum=$("${digest}sum" results.tar)
    echo "results $(($(wc -c <results.tar))) $digest ${sum%% *}"
}

batch() { # WORKDIR RUNNER RUNTIME OWNER
    [ "$(first "$lock/owner")" = "$4" ] || fail "the phone was let go: no sign of life for too long" 75
    cd "$1" && rm -rf results.tar incoming out/logcat.txt && mkdir -p incoming models out || fail "$1 cannot be written"
    (cd incoming && tar -xf ../bundle.tar) || { rm -rf incoming bundle.tar; fail "the bundle cannot be unpacked"; }
    for model in incoming/models/*; do
        [ ! -f "$model" ] || mv -f "$model" models/ || fail "the models cannot be kept"
    done
    mv -f incoming/plan.txt incoming/gate.sh . || fail "the bundle has no plan"
    rm -rf incoming bundle.tar
    give_sign && echo "$now" >since || fail "no sign of life can be written"
    "$2" --runtime "$3" --plan plan.txt --parent $$ --gate gate.sh --beat "$beat" </dev/null &
    runner=$!
    trap 'kill -TERM $runner 2>/dev/null; wait $runner; rm -f "$root/runner.pid"; exit 129' HUP INT TERM
    echo $$ >"$root/runner.pid" # whoever ends this ends the runner, and what was finished is left for salvage
    wait $runner
    code=$?
    rm -f "$root/runner.pid"
    pack || fail "the results cannot be packed"
    return $code
}

# Start a batch that goes on when the cable is pulled: adbd hangs up on what it has started, but not on other sessions.
detach() { # as batch
    cd "$1" && rm -f detached.* && : >detached.out && : >detached.err || fail "$1 cannot be written"
    setsid sh "$0" detached "$@" </dev/null >/dev/null 2>&1 &
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        [ ! -s detached.pid ] || return 0
        sleep 0.1
    done
    fail "no batch could be started"
}

detached() { # as batch
    cd "$1" || exit 1
    echo $$ >detached.pid.part && mv -f detached.pid.part detached.pid
    sh "$0" batch "$@" >detached.out 2>detached.err
    echo $? >detached.code.part && mv -f detached.code.part detached.code
}

# Say what a detached batch says, from its first line on, until it ends; then end as it did. Between two looks nothing but
# the shell itself works, and seldom: the phone's power is being measured.
follow() { # WORKDIR OWNER
    read_clock
    [ "$(first "$lock/boot_id")" = "$boot_id" ] || fail "the phone was rebooted" 75
    [ "$(first "$lock/owner")" = "$2" ] || fail "the phone was let go: no sign of life for too long" 75
    cd "$1" && exec 4<detached.out || fail "nothing was detached here" 75
    pid=$(first detached.pid)
    while :; do
        working=
        [ -s detached.code ] || [ ! -d "/proc/$pid" ] || working=1
        while read -r line <&4; do echo "$line"; done
        [ -n "$working" ] || break
        sleep 5
    done
    cat detached.err >&2
    [ -s detached.code ] || fail "the detached batch was cut off" 75
    return "$(first detached.code)"
}

# Offer what an interrupted batch had finished, as batch does.
salvage() { # WORKDIR
    end_process "$root/runner.pid"
    mkdir -p "$1" && cd "$1" || fail "$1 cannot be written"
    if [ -s results.tar ] && [ ! -d out ]; then mkdir out; fi
    [ ! -s results.tar ] || tar -xf results.tar || fail "the results cannot be unpacked"
    if ! pack; then # room is scarce: what was measured is worth more than what can be sent again
        rm -rf models incoming bundle.tar
        pack || fail "the results cannot be packed"
    fi
}

clean() {
    end_process "$root/runner.pid"
    end_process "$root/watchdog"
    restore || exit 1
    rm -rf "$root"
}

command=$1
[ $# -eq 0 ] || shift
case $command in
contact) contact ;;
lock) take_lock "$@" ;;
unlock) let_go "$@" ;;
prepare) prepare "$@" ;;
restore) end_process "$root/watchdog"; restore ;;
watch) watch "$@" ;;
watching) watching "$@" ;;
sign) [ "$(first "$lock/owner")" != "$1" ] || give_sign ;; # OWNER
adopt) adopt "$@" ;;
gate) gate "$@" ;;
batch) batch "$@" ;;
detach) detach "$@" ;;
detached) detached "$@" ;;
follow) follow "$@" ;;
salvage) salvage "$@" ;;
models) for model in "$1"/models/*.onnx; do [ ! -f "$model" ] || echo "${model##*/}"; done ;;
clear) case $1 in "$root"/work/?*) rm -rf "$1" ;; esac ;;
clean) clean ;;
*) fail "usage: bench.sh contact | lock | unlock | prepare | restore | watch | sign | adopt | gate | batch | detach | follow | salvage | models | clear | clean" 64 ;;
esac
