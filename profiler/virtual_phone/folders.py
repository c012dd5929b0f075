"""The folders of a virtual phone: ``/sys``, the files of ``/proc`` that tell of its hardware, properties and tools.

Everything here is written under the phone's root before it boots; what changes while it runs is renewed by the handset.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

from profiler.virtual_phone.description import Cluster, PhoneDescription

PROPERTIES = "dev/__properties__"
PERSISTENT = "data/property"
PARAMETERS = "system/etc/virtual_phone"
SHIM = "system/lib64/libvirtualphone.so"
SERVICES = "system/etc/services"
"""The services that ``dumpsys`` knows on this phone, one a line."""
CPU = "sys/devices/system/cpu"
BATTERY = "sys/class/power_supply/battery"
THERMAL = "sys/class/thermal/thermal_zone0"

_TOOLS = Path(__file__).parent / "tools"
_EMPTY_FOLDERS = (
    "dev", "proc/sys/kernel/random", "usr", "etc", "mnt", "sdcard", "storage", "vendor", "system/bin", "system/etc",
    "system/lib64", PROPERTIES, PERSISTENT, "data/local/tmp", "data/misc/logd", "data/system/settings/system",
    "data/system/settings/secure", "data/system/settings/global",
)  # fmt: skip
_WORN_BY_BOOT = ("dev", "proc", "sys", "system", "etc", "bin", "sbin", "lib", "lib32", "lib64", "vendor")
_FIRST_SETTINGS = {
    "system": {"screen_brightness": "102", "screen_brightness_mode": "1", "screen_off_timeout": "30000"},
    "secure": {"location_mode": "3"},
    "global": {
        "airplane_mode_on": "0",
        "bluetooth_on": "1",
        "wifi_on": "1",
        "mobile_data": "1",
        "low_power": "0",
        "stay_on_while_plugged_in": "0",
        "window_animation_scale": "1.0",
        "transition_animation_scale": "1.0",
        "animator_duration_scale": "1.0",
    },
}


def furnish(root: Path, description: PhoneDescription, *, serial: str, boot_id: str, shim: Path) -> None:
    """Write the phone's folders as they are at boot; ``/data`` keeps what it holds."""
    for name in _WORN_BY_BOOT:
        _remove(root / name)
    for name in _EMPTY_FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "data/local/tmp").chmod(0o1777)
    (root / "data/misc/logd/main").write_text("")
    write_texts(root, _proc(description, boot_id) | _etc() | _cpu_folder(description) | _gpu_folder(description))
    write_texts(root, {SERVICES: "".join(f"{service}\n" for service in services(description))})
    for cluster in description.clusters:
        _link_cpus(root, cluster)
    _install_tools(root, shim)
    _set_properties(root, all_properties(description, serial))
    _set_first_settings(root)


def services(description: PhoneDescription) -> tuple[str, ...]:
    """Name the services that ``dumpsys`` knows on an Android of this age."""
    names = ["SurfaceFlinger", "battery", "meminfo", "power"]
    if description.sdk >= 29:
        names.append("thermalservice")
    if description.odpm_rails:
        names.append("android.hardware.power.stats.IPowerStats/default")
    return tuple(names)


def all_properties(description: PhoneDescription, serial: str) -> Mapping[str, str]:
    """Return what ``getprop`` prints: the description's, and what follows from it."""
    given = dict(description.properties)
    build = given.get("ro.build.id", "VIRTUAL")
    release, name = given.get("ro.build.version.release", "0"), given.get("ro.product.name", description.name)
    fingerprint = f"autocomet/{name}/{given.get('ro.product.device', name)}:{release}/{build}/1:user/release-keys"
    return {
        "ro.autocomet.virtual": "1",
        "ro.serialno": serial,
        "ro.boot.serialno": serial,
        "ro.build.fingerprint": fingerprint,
        "ro.build.display.id": build,
        "ro.build.type": "user",
        "ro.build.version.sdk": str(description.sdk),
        "ro.build.version.security_patch": "2021-10-05",
        "sys.boot_completed": "1",
        "dev.bootcomplete": "1",
        **given,
    }


def write_texts(root: Path, texts: Mapping[str, str]) -> None:
    """Write files, making their folders."""
    for name, text in texts.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def meminfo(memory_kb: int, available_kb: int) -> str:
    """Write ``/proc/meminfo``: fixed in length, so that a reader never sees half of an old and half of a new one."""
    figures = {
        "MemTotal": memory_kb,
        "MemFree": available_kb // 2,
        "MemAvailable": available_kb,
        "Buffers": 0,
        "Cached": available_kb // 2,
        "SwapTotal": 0,
        "SwapFree": 0,
    }
    return "".join(f"{name + ':':<16}{figure:>8} kB\n" for name, figure in figures.items())


def _install_tools(root: Path, shim: Path) -> None:
    for tool in _TOOLS.iterdir():
        shutil.copyfile(tool, root / "system/bin" / tool.name)
        (root / "system/bin" / tool.name).chmod(0o755)
    (root / "system/bin/sh").symlink_to("/usr/bin/sh")
    shutil.copyfile(shim, root / SHIM)


def _set_properties(root: Path, properties: Mapping[str, str]) -> None:
    write_texts(root, {f"{PROPERTIES}/{name}": value for name, value in properties.items()})
    for kept in (root / PERSISTENT).iterdir():
        shutil.copyfile(kept, root / PROPERTIES / kept.name)


def _set_first_settings(root: Path) -> None:
    """Give each setting the value of a new phone where it has none."""
    if any((root / "data/system/settings").rglob("*/*")):
        return
    for namespace, settings in _FIRST_SETTINGS.items():
        write_texts(root, {f"data/system/settings/{namespace}/{key}": value for key, value in settings.items()})


def _proc(description: PhoneDescription, boot_id: str) -> dict[str, str]:
    cores = [(cpu, cluster) for cluster in description.clusters for cpu in cluster.cpus]
    return {
        "proc/cpuinfo": "".join(_cpuinfo(cpu, cluster, description.features) for cpu, cluster in cores)
        + f"Hardware\t: {description.properties.get('ro.board.platform', description.name)}\n",
        "proc/meminfo": meminfo(description.memory_kb, description.memory_kb // 2),
        "proc/uptime": "0.00 0.00\n",
        "proc/sys/kernel/random/boot_id": f"{boot_id}\n",
    }


def _cpuinfo(cpu: int, cluster: Cluster, features: str) -> str:
    lines = {
        "processor": cpu,
        "BogoMIPS": "38.40",
        "Features": features,
        "CPU implementer": "0x41",
        "CPU architecture": 8,
        "CPU variant": f"{cluster.variant:#x}",
        "CPU part": cluster.part,
        "CPU revision": cluster.revision,
    }
    return "".join(f"{name:<15}\t: {value}\n" for name, value in lines.items()) + "\n"


def _etc() -> dict[str, str]:
    return {
        "etc/passwd": "root:x:0:0:root:/:/system/bin/sh\nshell:x:2000:2000:shell:/:/system/bin/sh\n",
        "etc/group": "root:x:0:\nshell:x:2000:\n",
        "etc/hosts": "127.0.0.1 localhost\n",
    }


def _cpu_folder(description: PhoneDescription) -> dict[str, str]:
    every = f"0-{description.cpus - 1}\n" if description.cpus > 1 else "0\n"
    texts = {f"{CPU}/{name}": every for name in ("possible", "present", "online")}
    for cluster in description.clusters:
        texts |= _policy_files(cluster)
        for cpu in cluster.cpus:
            texts |= _core_files(cpu, cluster, description, every)
    return texts


def _policy_files(cluster: Cluster) -> dict[str, str]:
    lowest, highest = cluster.frequencies_khz[0], cluster.frequencies_khz[-1]
    cpus = " ".join(map(str, cluster.cpus))
    files = {
        "affected_cpus": cpus,
        "related_cpus": cpus,
        "cpuinfo_min_freq": lowest,
        "cpuinfo_max_freq": highest,
        "scaling_min_freq": lowest,
        "scaling_max_freq": highest,
        "scaling_cur_freq": highest,
        "scaling_governor": "schedutil",
        "scaling_available_frequencies": " ".join(map(str, cluster.frequencies_khz)),
        "stats/time_in_state": "\n".join(f"{khz} 0" for khz in cluster.frequencies_khz),
    }
    return {f"{CPU}/cpufreq/policy{cluster.first_cpu}/{name}": f"{value}\n" for name, value in files.items()}


def _core_files(cpu: int, cluster: Cluster, description: PhoneDescription, every: str) -> dict[str, str]:
    midr = 0x41 << 24 | cluster.variant << 20 | 0xF << 16 | int(cluster.part, 16) << 4 | cluster.revision
    siblings = f"{cluster.first_cpu}-{cluster.first_cpu + cluster.cores - 1}\n" if cluster.cores > 1 else f"{cpu}\n"
    texts = {
        f"{CPU}/cpu{cpu}/online": "1\n",
        f"{CPU}/cpu{cpu}/topology/core_id": f"{cpu}\n",
        f"{CPU}/cpu{cpu}/topology/physical_package_id": "0\n",
        f"{CPU}/cpu{cpu}/topology/core_siblings_list": siblings,
        f"{CPU}/cpu{cpu}/regs/identification/midr_el1": f"{midr:#018x}\n",
    }
    caches = [(1, "Data", cluster.level_1_kb, f"{cpu}\n"), (1, "Instruction", cluster.level_1_kb, f"{cpu}\n")]
    shared_2 = cluster.level_2_kb == description.last_level_cache_kb
    caches.append((2, "Unified", cluster.level_2_kb, siblings if shared_2 else f"{cpu}\n"))
    if not shared_2:
        caches.append((3, "Unified", description.last_level_cache_kb, every))
    for index, (level, kind, size_kb, cpus) in enumerate(caches):
        folder = f"{CPU}/cpu{cpu}/cache/index{index}"
        texts |= {f"{folder}/level": f"{level}\n", f"{folder}/type": f"{kind}\n", f"{folder}/size": f"{size_kb}K\n"}
        texts |= {f"{folder}/shared_cpu_list": cpus, f"{folder}/coherency_line_size": "64\n"}
    return texts


def _gpu_folder(description: PhoneDescription) -> dict[str, str]:
    gpu = description.gpu
    texts = {"system/etc/gles": f"GLES: {gpu.vendor}, {gpu.renderer}, {gpu.version}\n"}
    if gpu.sysfs_file:
        texts[f"sys/{gpu.sysfs_file}"] = f"{gpu.sysfs_text}\n"
    return texts


def _link_cpus(root: Path, cluster: Cluster) -> None:
    for cpu in cluster.cpus:
        (root / CPU / f"cpu{cpu}/cpufreq").symlink_to(f"../cpufreq/policy{cluster.first_cpu}")


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)
