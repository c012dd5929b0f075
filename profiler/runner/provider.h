/* Execution providers: which the runtime has, and how a session is told to use one.
 *
 * The plan names them as people do: `cpu`, `xnnpack`, `nnapi`, or as the runtime does, `WebGpuExecutionProvider`; upper
 * and lower case are the same. A node that the provider does not take runs on the CPU: the profile tells.
 */
#ifndef AUTOCOMET_PROVIDER_H
#define AUTOCOMET_PROVIDER_H

#include "session.h"

/* Write the runtime's own list: `XnnpackExecutionProvider,CPUExecutionProvider`. */
void provider_list(struct session *session, char *text, size_t size);

/* Set up a session's threads and the provider that the plan asks for; `unsupported` where the runtime has none such. */
void provider_configure(struct session *session, OrtSessionOptions *options);

/* Print the runtime's list, one to a line. Returns NULL, or why not. */
const char *provider_print(const char *runtime);

#endif
