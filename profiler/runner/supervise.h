/* The parent's side of a run: check, fork, watch, judge. */
#ifndef AUTOCOMET_SUPERVISE_H
#define AUTOCOMET_SUPERVISE_H

#include "gate.h"
#include "outcome.h"
#include "plan.h"

/* Do one run that the gate let pass, from its folder's making to its renaming. Returns 0 with the verdict in outcome;
 * EXIT_REFUSED with the reason in outcome->detail where the plan cannot go on; 128 + signal where the runner was told to
 * stop. After the last two no folder is left. */
int supervise(const struct plan_run *plan, const char *runtime, struct gate *gate, struct outcome *outcome);

/* `ok`, `crashed`, ... as the parsers know them. */
const char *status_name(enum status status);

#endif
