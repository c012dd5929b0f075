#include "values.h"

#include <string.h>

#include "ort.h"

size_t value_bytes(int type) {
    switch (type) {
    case ELEMENT_UINT8:
    case ELEMENT_INT8:
    case ELEMENT_BOOL:
        return 1;
    case ELEMENT_UINT16:
    case ELEMENT_INT16:
    case ELEMENT_FLOAT16:
    case ELEMENT_BFLOAT16:
        return 2;
    case ELEMENT_FLOAT:
    case ELEMENT_INT32:
    case ELEMENT_UINT32:
        return 4;
    case ELEMENT_DOUBLE:
    case ELEMENT_INT64:
    case ELEMENT_UINT64:
        return 8;
    default:
        return 0;
    }
}

/* SplitMix64: one 64-bit state, equidistributed, a few instructions. */
static uint64_t next_random(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

/* Uniform in (-1, 1), never closer to zero than 2^-24, so no float type of eight exponent bits makes it a denormal. */
static float unit_float(uint64_t random) {
    return ((float)(random >> 41) - 4194303.5f) / 4194304.0f;
}

/* A half of magnitude in [1/16, 1): random sign, exponent 11..14 of bias 15, random fraction. */
static uint16_t unit_half(uint64_t random) {
    uint16_t exponent = (uint16_t)(11 + (random >> 20 & 3));
    return (uint16_t)((random & 0x8000) | (uint64_t)exponent << 10 | (random >> 32 & 0x3FF));
}

/* A bfloat16 is a float's upper half. */
static uint16_t upper_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (uint16_t)(bits >> 16);
}

#define STORE(type, value)                            \
    do {                                              \
        type stored = (type)(value);                  \
        memcpy((char *)data + at, &stored, sizeof stored); \
    } while (0)

void fill_values(void *data, size_t bytes, int type, uint64_t seed) {
    uint64_t state = seed;
    for (size_t at = 0; at < bytes; at += value_bytes(type)) {
        uint64_t random = next_random(&state);
        switch (type) {
        case ELEMENT_FLOAT:
            STORE(float, unit_float(random));
            break;
        case ELEMENT_DOUBLE:
            STORE(double, unit_float(random));
            break;
        case ELEMENT_FLOAT16:
            STORE(uint16_t, unit_half(random));
            break;
        case ELEMENT_BFLOAT16:
            STORE(uint16_t, upper_half(unit_float(random)));
            break;
        case ELEMENT_UINT8:
        case ELEMENT_INT8:
            STORE(uint8_t, random >> 57);
            break;
        default: /* the low byte decides: little-endian on every target */
            memset((char *)data + at, 0, value_bytes(type));
            ((unsigned char *)data)[at] = (unsigned char)(random >> 63);
        }
    }
}
