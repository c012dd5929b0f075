/* The child: one process that opens the runtime, measures one model, and ends. */
#ifndef AUTOCOMET_CHILD_H
#define AUTOCOMET_CHILD_H

#include "folder.h"
#include "log.h"
#include "outcome.h"
#include "plan.h"

/* Work through one run and end the process. Whatever is allocated here lives until then. */
_Noreturn void child_run(const struct plan_run *plan, const char *runtime, const struct folder *folder,
                         struct log *log);

/* End the process with a verdict on the run. */
__attribute__((format(printf, 3, 4))) _Noreturn void child_end(struct outcome *outcome, enum status status,
                                                               const char *format, ...);

/* End the process because nothing can be measured in this place: the whole plan stops. */
__attribute__((format(printf, 2, 3))) _Noreturn void child_refuse(struct outcome *outcome, const char *format, ...);

#endif
