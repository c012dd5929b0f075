/* A model in the runtime: session, inputs with values, outputs bound beforehand. */
#ifndef AUTOCOMET_SESSION_H
#define AUTOCOMET_SESSION_H

#include <stdbool.h>
#include <stddef.h>

#include "ort.h"
#include "outcome.h"
#include "plan.h"

struct tensor {
    char *name;
    void *data;
    size_t bytes;
    OrtValue *value; /* NULL: an output whose shape only the run tells; the runtime allocates it */
};

struct session {
    struct ort ort;
    struct outcome *outcome; /* where a failure's reason goes before the process ends */
    const struct plan_run *plan;
    OrtEnv *env;
    OrtMemoryInfo *cpu_memory;
    OrtAllocator *allocator;
    OrtSession *handle;
    OrtIoBinding *binding;
    struct tensor *inputs, *outputs;
    size_t input_count, output_count;
};

/* Every function here ends the process with a verdict when the runtime reports an error. */

/* Call a function of the runtime. */
#define CALL(session, function, ...) session_check(session, (session)->ort.function(__VA_ARGS__), #function)

void session_check(struct session *session, OrtStatus *status, const char *call);

/* Open the runtime and its environment, and have it load a model of one Relu: what it allocates for its own sake with
 * the first session (kernel registries and the like, some 8 MB) is not the measured model's. */
void session_prepare(struct session *session, const char *runtime, const struct plan_run *plan,
                     struct outcome *outcome);

/* Load the model; with a prefix, profiled into `<prefix>_<time>.json`. */
void session_load(struct session *session, const char *profile_prefix);

/* Allocate inputs, fill them by type from the seed, and allocate the outputs. */
void session_allocate(struct session *session);

/* Bind inputs and outputs to the loaded session. */
void session_bind(struct session *session);

/* Run the model once. The only call inside the timed region. */
void session_run(struct session *session);

/* End profiling and return the path of the file. */
const char *session_end_profile(struct session *session);

/* Release the loaded session; tensors stay for the next one. */
void session_unload(struct session *session);

#endif
