#include "checksum.h"

#include <fcntl.h>
#include <unistd.h>

uint32_t checksum(uint32_t crc, const void *bytes, size_t length) {
    crc = ~crc;
    for (size_t i = 0; i < length; i++) {
        crc ^= ((const unsigned char *)bytes)[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

bool checksum_file(const char *path, long long *bytes, uint32_t *crc) {
    unsigned char block[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t got;
    *bytes = *crc = 0;
    while ((got = read(fd, block, sizeof block)) > 0) {
        *bytes += got;
        *crc = checksum(*crc, block, (size_t)got);
    }
    close(fd);
    return got == 0;
}
