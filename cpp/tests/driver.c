/* A pretended NPU driver, to be preloaded: the vendor's own librknnrt opens /dev/rknpu and finds one that takes what it
   asks for and computes nothing. Its memory is a memfd each. No device node is needed, and none can be made.
   At the end it says how many jobs it was given, and how much memory was not given back.
   E2ERKNN_NPU=FIRE: the four letters by which the chip's NPU tells its version; none for RK3566 and RK3568.
   AGPL-3.0-only with the additional permission in cpp/LICENSE-EXCEPTION. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ACTION, SUBMIT, MEM_CREATE, MEM_MAP, MEM_DESTROY, MEM_SYNC }; /* the low byte of a request */
enum { GET_HW_VERSION = 0, GET_DRV_VERSION = 1 };
enum { VERSION = 908 /* 0.9.8 */, PAGE = 4096 };

static int npu = -1, jobs, memories;

__attribute__((destructor)) static void tell(void) {
    if (npu >= 0) fprintf(stderr, "driver: %d jobs, %d memories left\n", jobs, memories);
}

int open(const char *path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    const mode_t mode = va_arg(more, mode_t);
    va_end(more);
    if (strcmp(path, "/dev/rknpu")) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    return npu = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC, 0);
}

/* The library would make what it misses in /dev where it may. */
static int refused(void) {
    errno = EPERM;
    return -1;
}
int mkdir(const char *path, mode_t mode) {
    (void)path, (void)mode;
    return refused();
}
int mknod(const char *path, mode_t mode, dev_t device) {
    (void)path, (void)mode, (void)device;
    return refused();
}
int __xmknod(int version, const char *path, mode_t mode, dev_t *device) {
    (void)version, (void)path, (void)mode, (void)device;
    return refused();
}

static int act(uint32_t *args) { /* what, value */
    const char *chip = getenv("E2ERKNN_NPU");
    args[1] = args[0] == GET_DRV_VERSION ? VERSION : 0;
    if (args[0] == GET_HW_VERSION)
        for (; chip && *chip; chip++) args[1] = args[1] << 8 | (unsigned char)*chip;
    return 0;
}

static int create(uint32_t *args) { /* handle, flags; then of 64 bits: size, object, address, size in SRAM */
    static uint64_t address = 1 << 28;
    uint64_t size = 0;
    memcpy(&size, args + 2, sizeof size);
    size = (size + PAGE - 1) / PAGE * PAGE;
    const int memory = memfd_create("npu", MFD_CLOEXEC);
    if (memory < 0 || ftruncate(memory, (off_t)size)) return -1;
    args[0] = (uint32_t)memory; /* which the library maps */
    memcpy(args + 4, &address, sizeof address);
    memcpy(args + 6, &address, sizeof address);
    address += size;
    memories++;
    return 0;
}

int ioctl(int fd, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    uint32_t *args = va_arg(more, uint32_t *);
    va_end(more);
    if (npu < 0 || fd != npu) return (int)syscall(SYS_ioctl, fd, request, args);
    switch (request & 0xff) {
    case ACTION: return act(args);
    case MEM_CREATE: return create(args);
    case MEM_SYNC: return 0;
    case SUBMIT: jobs++; return 0;
    case MEM_DESTROY: memories--; return 0;
    default: errno = EINVAL; return -1;
    }
}
