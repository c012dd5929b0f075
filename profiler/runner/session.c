#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "child.h"
#include "provider.h"
#include "values.h"

enum { MAX_RANK = 16, ALIGNMENT = 64 };

/* An ONNX model in its protobuf form: IR 8, opset 17, graph `g`: y = Relu(x), both float[1]. */
static const unsigned char RELU_MODEL[] = {
    0x08, 8,                                                                   /* ir_version */
    0x3A, 51,                                                                  /* graph */
    0x0A, 12, 0x0A, 1, 'x', 0x12, 1, 'y', 0x22, 4, 'R', 'e', 'l', 'u',         /*   node: input, output, op_type */
    0x12, 1, 'g',                                                              /*   name */
    0x5A, 15, 0x0A, 1, 'x', 0x12, 10, 0x0A, 8, 8, 1, 0x12, 4, 0x0A, 2, 8, 1,   /*   input: name, type, shape */
    0x62, 15, 0x0A, 1, 'y', 0x12, 10, 0x0A, 8, 8, 1, 0x12, 4, 0x0A, 2, 8, 1,   /*   output */
    0x42, 4, 0x0A, 0, 0x10, 17,                                                /* opset_import: domain, version */
};

/* How an error of the runtime counts. Its codes are coarse, so two causes are told by its words. */
static enum status judge(int code, const char *message) {
    if (strstr(message, "bad_alloc") || strstr(message, "Failed to allocate memory")) return STATUS_OUT_OF_MEMORY;
    if (code == ORT_NOT_IMPLEMENTED || strstr(message, "is not a registered function/op") ||
        strstr(message, "No Op registered for"))
        return STATUS_UNSUPPORTED;
    return STATUS_CRASHED;
}

void session_check(struct session *session, OrtStatus *status, const char *call) {
    if (status == NULL) return;
    const char *message = session->ort.GetErrorMessage(status);
    const char *reason = strstr(message, " failed:"); /* `Load model from PATH failed:REASON`, where PATH may be long */
    if (reason) message = reason + strlen(" failed:");
    child_end(session->outcome, judge(session->ort.GetErrorCode(status), message), "%s: %s", call, message);
}

static OrtSessionOptions *make_options(struct session *session, const char *profile_prefix) {
    OrtSessionOptions *options;
    CALL(session, CreateSessionOptions, &options);
    CALL(session, SetInterOpNumThreads, options, 1);
    CALL(session, SetSessionExecutionMode, options, ORT_SEQUENTIAL);
    CALL(session, SetSessionGraphOptimizationLevel, options, ORT_ENABLE_ALL);
    provider_configure(session, options);
    if (profile_prefix) CALL(session, EnableProfiling, options, profile_prefix);
    return options;
}

void session_prepare(struct session *session, const char *runtime, const struct plan_run *plan,
                     struct outcome *outcome) {
    memset(session, 0, sizeof *session);
    session->plan = plan;
    session->outcome = outcome;
    const char *error = ort_open(&session->ort, runtime);
    if (error) child_refuse(outcome, "cannot use the runtime %s: %s", runtime, error);
    CALL(session, CreateEnv, ORT_LOGGING_LEVEL_ERROR, "AutoCoMET", &session->env);
    CALL(session, CreateCpuMemoryInfo, ORT_ARENA_ALLOCATOR, ORT_MEM_TYPE_DEFAULT, &session->cpu_memory);
    CALL(session, GetAllocatorWithDefaultOptions, &session->allocator);
    OrtSessionOptions *options = make_options(session, NULL);
    CALL(session, CreateSessionFromArray, session->env, RELU_MODEL, sizeof RELU_MODEL, options, &session->handle);
    session->ort.ReleaseSession(session->handle);
    session->ort.ReleaseSessionOptions(options);
}

void session_load(struct session *session, const char *profile_prefix) {
    OrtSessionOptions *options = make_options(session, profile_prefix);
    CALL(session, CreateSession, session->env, session->plan->model, options, &session->handle);
    session->ort.ReleaseSessionOptions(options);
}

/* Read type and shape of an input or output. Returns the rank; a side of -1 is one that only the run tells. */
static size_t read_type(struct session *session, OrtTypeInfo *info, const char *name, int *type, int64_t *shape) {
    const OrtTensorTypeAndShapeInfo *tensor_info;
    size_t rank;
    CALL(session, CastTypeInfoToTensorInfo, info, &tensor_info);
    if (tensor_info == NULL) child_end(session->outcome, STATUS_UNSUPPORTED, "%s is not a tensor", name);
    CALL(session, GetTensorElementType, tensor_info, type);
    CALL(session, GetDimensionsCount, tensor_info, &rank);
    if (rank > MAX_RANK) child_end(session->outcome, STATUS_UNSUPPORTED, "%s has more than 16 dimensions", name);
    CALL(session, GetDimensions, tensor_info, shape, rank);
    session->ort.ReleaseTypeInfo(info);
    return rank;
}

/* Allocate a tensor's memory as the runtime would, and wrap it. */
static void allocate(struct session *session, struct tensor *tensor, int type, const int64_t *shape, size_t rank) {
    size_t element_bytes = value_bytes(type);
    if (element_bytes == 0)
        child_end(session->outcome, STATUS_UNSUPPORTED, "%s has element type %d", tensor->name, type);
    tensor->bytes = element_bytes;
    for (size_t i = 0; i < rank; i++) tensor->bytes *= (size_t)shape[i];
    size_t reserved = tensor->bytes ? tensor->bytes : 1;
    if (posix_memalign(&tensor->data, ALIGNMENT, reserved) != 0)
        child_end(session->outcome, STATUS_OUT_OF_MEMORY, "%zu bytes for %s", reserved, tensor->name);
    CALL(session, CreateTensorWithDataAsOrtValue, session->cpu_memory, tensor->data, tensor->bytes, shape, rank, type,
         &tensor->value);
}

static bool is_static(const int64_t *shape, size_t rank) {
    for (size_t i = 0; i < rank; i++)
        if (shape[i] < 0) return false;
    return true;
}

static void allocate_input(struct session *session, size_t index) {
    struct tensor *tensor = &session->inputs[index];
    OrtTypeInfo *info;
    int type;
    int64_t shape[MAX_RANK];
    CALL(session, SessionGetInputName, session->handle, index, session->allocator, &tensor->name);
    CALL(session, SessionGetInputTypeInfo, session->handle, index, &info);
    size_t rank = read_type(session, info, tensor->name, &type, shape);
    if (!is_static(shape, rank))
        child_end(session->outcome, STATUS_UNSUPPORTED, "input %s has no static shape", tensor->name);
    allocate(session, tensor, type, shape, rank);
    fill_values(tensor->data, tensor->bytes, type, (uint64_t)session->plan->seed + index);
}

static void allocate_output(struct session *session, size_t index) {
    struct tensor *tensor = &session->outputs[index];
    OrtTypeInfo *info;
    int type;
    int64_t shape[MAX_RANK];
    CALL(session, SessionGetOutputName, session->handle, index, session->allocator, &tensor->name);
    CALL(session, SessionGetOutputTypeInfo, session->handle, index, &info);
    size_t rank = read_type(session, info, tensor->name, &type, shape);
    if (is_static(shape, rank) && value_bytes(type) > 0) allocate(session, tensor, type, shape, rank);
}

void session_allocate(struct session *session) {
    CALL(session, SessionGetInputCount, session->handle, &session->input_count);
    CALL(session, SessionGetOutputCount, session->handle, &session->output_count);
    session->inputs = calloc(session->input_count + 1, sizeof *session->inputs);
    session->outputs = calloc(session->output_count + 1, sizeof *session->outputs);
    if (session->inputs == NULL || session->outputs == NULL)
        child_end(session->outcome, STATUS_OUT_OF_MEMORY, "no memory for the lists of inputs and outputs");
    for (size_t i = 0; i < session->input_count; i++) allocate_input(session, i);
    for (size_t i = 0; i < session->output_count; i++) allocate_output(session, i);
}

void session_bind(struct session *session) {
    CALL(session, CreateIoBinding, session->handle, &session->binding);
    for (size_t i = 0; i < session->input_count; i++)
        CALL(session, BindInput, session->binding, session->inputs[i].name, session->inputs[i].value);
    for (size_t i = 0; i < session->output_count; i++) {
        const struct tensor *output = &session->outputs[i];
        if (output->value) CALL(session, BindOutput, session->binding, output->name, output->value);
        else CALL(session, BindOutputToDevice, session->binding, output->name, session->cpu_memory);
    }
}

void session_run(struct session *session) {
    CALL(session, RunWithBinding, session->handle, NULL, session->binding);
}

const char *session_end_profile(struct session *session) {
    char *path;
    CALL(session, SessionEndProfiling, session->handle, session->allocator, &path);
    return path;
}

void session_unload(struct session *session) {
    session->ort.ReleaseIoBinding(session->binding);
    session->ort.ReleaseSession(session->handle);
}
