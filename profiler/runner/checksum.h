/* CRC-32 as in zlib and PNG, by which a reader knows that nothing was altered on the way. */
#ifndef AUTOCOMET_CHECKSUM_H
#define AUTOCOMET_CHECKSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Continue a checksum, at first 0, over more bytes. */
uint32_t checksum(uint32_t crc, const void *bytes, size_t length);

/* Size and checksum of a whole file. False with errno set where it cannot be read. */
bool checksum_file(const char *path, long long *bytes, uint32_t *crc);

#endif
