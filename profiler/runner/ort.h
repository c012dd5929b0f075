/* The part of ONNX Runtime's C API that the runner uses.
 *
 * The API is a table of function pointers in a fixed order that only ever grows at its end, so one set of indices
 * serves every runtime from API 17 (ONNX Runtime 1.17) on. Indices and signatures follow `struct OrtApi` in
 * include/onnxruntime/core/session/onnxruntime_c_api.h of github.com/microsoft/onnxruntime; the names are its names.
 */
#ifndef AUTOCOMET_ORT_H
#define AUTOCOMET_ORT_H

#include <stddef.h>
#include <stdint.h>

enum { ORT_API_VERSION = 17 };

typedef struct OrtAllocator OrtAllocator;
typedef struct OrtEnv OrtEnv;
typedef struct OrtIoBinding OrtIoBinding;
typedef struct OrtMemoryInfo OrtMemoryInfo;
typedef struct OrtRunOptions OrtRunOptions;
typedef struct OrtSession OrtSession;
typedef struct OrtSessionOptions OrtSessionOptions;
typedef struct OrtStatus OrtStatus;
typedef struct OrtTensorTypeAndShapeInfo OrtTensorTypeAndShapeInfo;
typedef struct OrtTypeInfo OrtTypeInfo;
typedef struct OrtValue OrtValue;

enum { ORT_NOT_IMPLEMENTED = 9 };                   /* OrtErrorCode */
enum { ORT_LOGGING_LEVEL_ERROR = 3 };               /* OrtLoggingLevel */
enum { ORT_SEQUENTIAL = 0 };                        /* ExecutionMode */
enum { ORT_ENABLE_ALL = 99 };                       /* GraphOptimizationLevel */
enum { ORT_ARENA_ALLOCATOR = 1 };                   /* OrtAllocatorType */
enum { ORT_MEM_TYPE_DEFAULT = 0 };                  /* OrtMemType */

/* ONNXTensorElementDataType, which equals TensorProto.DataType of ONNX */
enum element_type {
    ELEMENT_FLOAT = 1,
    ELEMENT_UINT8,
    ELEMENT_INT8,
    ELEMENT_UINT16,
    ELEMENT_INT16,
    ELEMENT_INT32,
    ELEMENT_INT64,
    ELEMENT_STRING,
    ELEMENT_BOOL,
    ELEMENT_FLOAT16,
    ELEMENT_DOUBLE,
    ELEMENT_UINT32,
    ELEMENT_UINT64,
    ELEMENT_BFLOAT16 = 16,
};

/* X(index in OrtApi, result, name, arguments) */
#define ORT_FUNCTIONS(X)                                                                                               \
    X(0, OrtStatus *, CreateStatus, (int code, const char *message))                                                   \
    X(1, int, GetErrorCode, (const OrtStatus *))                                                                       \
    X(2, const char *, GetErrorMessage, (const OrtStatus *))                                                           \
    X(3, OrtStatus *, CreateEnv, (int level, const char *name, OrtEnv **))                                             \
    X(7, OrtStatus *, CreateSession, (const OrtEnv *, const char *path, const OrtSessionOptions *, OrtSession **))     \
    X(8, OrtStatus *, CreateSessionFromArray,                                                                          \
      (const OrtEnv *, const void *model, size_t bytes, const OrtSessionOptions *, OrtSession **))                     \
    X(10, OrtStatus *, CreateSessionOptions, (OrtSessionOptions **))                                                   \
    X(13, OrtStatus *, SetSessionExecutionMode, (OrtSessionOptions *, int mode))                                       \
    X(14, OrtStatus *, EnableProfiling, (OrtSessionOptions *, const char *prefix))                                     \
    X(23, OrtStatus *, SetSessionGraphOptimizationLevel, (OrtSessionOptions *, int level))                             \
    X(24, OrtStatus *, SetIntraOpNumThreads, (OrtSessionOptions *, int threads))                                       \
    X(25, OrtStatus *, SetInterOpNumThreads, (OrtSessionOptions *, int threads))                                       \
    X(30, OrtStatus *, SessionGetInputCount, (const OrtSession *, size_t *))                                           \
    X(31, OrtStatus *, SessionGetOutputCount, (const OrtSession *, size_t *))                                          \
    X(33, OrtStatus *, SessionGetInputTypeInfo, (const OrtSession *, size_t index, OrtTypeInfo **))                    \
    X(34, OrtStatus *, SessionGetOutputTypeInfo, (const OrtSession *, size_t index, OrtTypeInfo **))                   \
    X(36, OrtStatus *, SessionGetInputName, (const OrtSession *, size_t index, OrtAllocator *, char **))               \
    X(37, OrtStatus *, SessionGetOutputName, (const OrtSession *, size_t index, OrtAllocator *, char **))              \
    X(49, OrtStatus *, CreateTensorWithDataAsOrtValue,                                                                 \
      (const OrtMemoryInfo *, void *data, size_t bytes, const int64_t *shape, size_t rank, int type, OrtValue **))     \
    X(55, OrtStatus *, CastTypeInfoToTensorInfo, (const OrtTypeInfo *, const OrtTensorTypeAndShapeInfo **))            \
    X(60, OrtStatus *, GetTensorElementType, (const OrtTensorTypeAndShapeInfo *, int *type))                           \
    X(61, OrtStatus *, GetDimensionsCount, (const OrtTensorTypeAndShapeInfo *, size_t *rank))                          \
    X(62, OrtStatus *, GetDimensions, (const OrtTensorTypeAndShapeInfo *, int64_t *shape, size_t rank))                \
    X(69, OrtStatus *, CreateCpuMemoryInfo, (int allocator_type, int memory_type, OrtMemoryInfo **))                   \
    X(78, OrtStatus *, GetAllocatorWithDefaultOptions, (OrtAllocator **))                                              \
    X(93, void, ReleaseStatus, (OrtStatus *))                                                                          \
    X(95, void, ReleaseSession, (OrtSession *))                                                                        \
    X(98, void, ReleaseTypeInfo, (OrtTypeInfo *))                                                                      \
    X(100, void, ReleaseSessionOptions, (OrtSessionOptions *))                                                         \
    X(110, OrtStatus *, SessionEndProfiling, (OrtSession *, OrtAllocator *, char **path))                              \
    X(125, OrtStatus *, GetAvailableProviders, (char ***names, int *count))                                            \
    X(130, OrtStatus *, AddSessionConfigEntry, (OrtSessionOptions *, const char *key, const char *value))              \
    X(133, OrtStatus *, RunWithBinding, (OrtSession *, const OrtRunOptions *, const OrtIoBinding *))                   \
    X(134, OrtStatus *, CreateIoBinding, (OrtSession *, OrtIoBinding **))                                              \
    X(135, void, ReleaseIoBinding, (OrtIoBinding *))                                                                   \
    X(136, OrtStatus *, BindInput, (OrtIoBinding *, const char *name, const OrtValue *))                               \
    X(137, OrtStatus *, BindOutput, (OrtIoBinding *, const char *name, const OrtValue *))                              \
    X(138, OrtStatus *, BindOutputToDevice, (OrtIoBinding *, const char *name, const OrtMemoryInfo *))                 \
    X(216, OrtStatus *, SessionOptionsAppendExecutionProvider,                                                         \
      (OrtSessionOptions *, const char *name, const char *const *keys, const char *const *values, size_t count))

struct ort {
#define X(index, result, name, arguments) result(*name) arguments;
    ORT_FUNCTIONS(X)
#undef X
    const char *version;
    void *library; /* of dlopen */
};

/* Open the library. Returns NULL, or why it cannot be used. It stays open until the process ends. */
const char *ort_open(struct ort *ort, const char *library);

#endif
