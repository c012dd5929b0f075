/* Ordinary input values: none that a kernel treats in a way of its own (denormals, infinities, all zeros). */
#ifndef AUTOCOMET_VALUES_H
#define AUTOCOMET_VALUES_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of one element of an ONNX type; 0 for types that cannot be filled (strings, complex, 4- and 8-bit floats). */
size_t value_bytes(int type);

/* Fill a tensor: floats uniform in (-1, 1), 8-bit integers in 0..127, wider ones and bools 0 or 1, which are indices
 * that fit every axis but the shortest. The same seed gives the same values. */
void fill_values(void *data, size_t bytes, int type, uint64_t seed);

#endif
