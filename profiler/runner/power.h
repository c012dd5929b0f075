/* Power: the model in a loop between two idle windows, while a process beside it reads the device's sensor.
 *
 * The readings go into the run's folder as they are: `power.csv` with a row per sample of the battery's nodes (source
 * sysfs), or `power.txt` with what a command printed, each sample headed `@ <CLOCK_BOOTTIME ns>` (sources cmd, odpm).
 * Source `none` samples nothing: an instrument outside the device does. Where a phone still charges after power_wait_ms,
 * nothing is looped, and the `power` record says so; the run's time and memory stand all the same.
 */
#ifndef AUTOCOMET_POWER_H
#define AUTOCOMET_POWER_H

#include "folder.h"
#include "log.h"
#include "measure.h"
#include "plan.h"
#include "session.h"

struct sampler {
    pid_t process; /* 0: none is needed */
    int control;   /* a byte starts it, closing ends it */
    char file[FOLDER_PATH_SIZE];
};

/* Whether the run is to be looped, and whether the device has the source that it names. */
bool power_is_wanted(const struct plan_run *plan);
bool power_source_is_known(const char *source);

/* Fork the sampler, small still and on other CPUs than the model's. It sleeps until power_pass. False with errno set. */
bool sampler_prepare(struct sampler *sampler, const struct plan_run *plan, const struct folder *folder);

/* Wait for the battery to discharge, then idle, loop the loaded model, idle; log the `power` record. */
void power_pass(struct sampler *sampler, struct session *session, const struct evictor *evictor, struct log *log);

#endif
