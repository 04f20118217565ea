/* e2erknn for C, and for whatever calls C (ctypes, Go, Rust): models made by `e2erknn convert` on Rockchip NPUs.
   Copyright (C) 2025 the rknn_zoo_e2e authors. AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION.

   Every function that can fail returns 0 for done, 1 for a fault, 2 for a call that cannot mean anything; then
   e2erknn_error() says what is wrong and what to do. A handle is used by one thread at a time. */
#ifndef E2ERKNN_H
#define E2ERKNN_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#define E2ERKNN_C_API __attribute__((visibility("default")))

typedef struct e2erknn_model e2erknn_model;

enum { E2ERKNN_FLOAT32, E2ERKNN_FLOAT16, E2ERKNN_INT8, E2ERKNN_UINT8, E2ERKNN_INT16 };

/* An output: planar (channels, height * width) where block is 1, else NC1HWC2. A flat one has height 1. */
typedef struct {
    const void *data;
    size_t bytes;
    int32_t type; /* E2ERKNN_FLOAT32 ... */
    int32_t channels, height, width, block;
    float scale; /* real = (stored - zero) * scale; integers only */
    int32_t zero;
} e2erknn_tensor;

typedef struct {
    float conf;             /* scores above it, 0 to 1 */
    double iou;             /* overlap above which the weaker box goes, 0 to 1 */
    int32_t max_det;        /* 1 or more */
    int32_t class_count;    /* 0: all classes */
    const int32_t *classes; /* class_count ids */
} e2erknn_thresholds;

/* An RGB picture of 3 bytes a pixel. */
typedef struct {
    const uint8_t *rgb;
    int32_t width, height; /* px */
    size_t stride;         /* bytes from row to row */
} e2erknn_picture;

typedef struct {
    int32_t left, top, width, height; /* source px */
    const uint8_t *inside;            /* height x width, 1 where a pixel belongs to the mask */
} e2erknn_mask;

typedef struct {
    float x1, y1, x2, y2, score; /* source px; 0 to 1 */
    int32_t class_id, anchor;    /* anchor: the cell of output0 it came from */
    float obb[5];                /* cx, cy, w, h in source px, radians in [0, pi/2); obb only */
    const float *keypoints;      /* points x (x, y, visibility), source px; pose only, else NULL */
    e2erknn_mask mask;           /* segment only */
} e2erknn_detection;

/* The NPU's own input memory: RGB, 3 bytes a pixel. fd: its DMA buffer for RGA, -1 where there is none. */
typedef struct {
    uint8_t *rgb;
    int32_t width, height; /* px */
    size_t stride;         /* bytes from row to row */
    int32_t fd;
} e2erknn_input;

/* N detections, best score first. Free it with e2erknn_free. */
typedef struct {
    int32_t count, points;
    const e2erknn_detection *detections;
    double pre_ms, infer_ms, post_ms; /* 0 where a stage did not run */
} e2erknn_result;

E2ERKNN_C_API e2erknn_thresholds e2erknn_defaults(void);
/* core: 0, 1, 2, or -1 to leave it to the driver. */
E2ERKNN_C_API int e2erknn_open(const char *path, int core, e2erknn_model **model);
E2ERKNN_C_API void e2erknn_close(e2erknn_model *model);
/* What the model is: JSON as the .rknn holds it, valid until it is closed. */
E2ERKNN_C_API const char *e2erknn_spec(const e2erknn_model *model);
E2ERKNN_C_API int e2erknn_detect(e2erknn_model *model, const e2erknn_picture *picture,
                                 const e2erknn_thresholds *thresholds, e2erknn_result **result);
/* detect in steps: what was written into the input is run; the outputs of the last run lie where the NPU keeps them,
   for e2erknn_decode or to be read. Input and outputs stay in their place until the model is closed. */
E2ERKNN_C_API e2erknn_input e2erknn_input_of(e2erknn_model *model);
E2ERKNN_C_API int e2erknn_run(e2erknn_model *model);
E2ERKNN_C_API const e2erknn_tensor *e2erknn_outputs(const e2erknn_model *model, int32_t *count);
/* One of them as real numbers, planar: channels * height * width floats. */
E2ERKNN_C_API int e2erknn_read(const e2erknn_model *model, int32_t output, float *out);
/* Outputs of any runtime to detections. spec_json: as e2erknn_spec gives it. */
E2ERKNN_C_API int e2erknn_decode(const char *spec_json, const e2erknn_tensor *outputs, int32_t count,
                                 int32_t source_width, int32_t source_height, const e2erknn_thresholds *thresholds,
                                 e2erknn_result **result);
E2ERKNN_C_API void e2erknn_free(e2erknn_result *result);
/* Letterboxes a picture into a caller's buffer of height * width * 3 bytes. */
E2ERKNN_C_API int e2erknn_letterbox(const e2erknn_picture *picture, int32_t width, int32_t height, uint8_t *out);
/* Of this thread's last failed call: what is wrong, a line break, what to do. */
E2ERKNN_C_API const char *e2erknn_error(void);
E2ERKNN_C_API const char *e2erknn_version(void);

#ifdef __cplusplus
}
#endif
#endif
