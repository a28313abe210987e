// Preloaded into the broker, plays a bad disk: full, failing, or slow. The test says what to do in a small file that both
// have mapped (DISK_FAULTS names it); only files below DISK_FAULTS_ROOT are touched.
//
//     gcc -shared -fPIC -o disk_faults.so disk_faults.c -ldl
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

// The order of the fields is known to disk_faults.py.
struct control {
    _Atomic int64_t space;          // bytes that may still be written; below 0: any
    _Atomic int32_t write_error;    // errno of every write, 0 for none
    _Atomic int32_t read_error;     // of every read
    _Atomic int32_t sync_error;     // of every sync
    _Atomic int32_t sync_delay_us;  // how long a sync takes at least
    _Atomic int64_t syncs;          // syncs so far, of files, folders and disks
    char only[256];                 // if not empty, only paths that contain this fail
};

static struct control *control;
static char root[4096];

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("DISK_FAULTS"), *below = getenv("DISK_FAULTS_ROOT");
    int fd = path ? open(path, O_RDWR) : -1;
    if (fd < 0 || !below) abort();
    void *mapped = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (mapped == MAP_FAILED) abort();
    snprintf(root, sizeof root, "%s", below);
    control = mapped;
}

// Whether the descriptor is of a file that may fail.
static int concerns(int fd) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t count = readlink(link, path, sizeof path - 1);
    if (count < 0 || !control) return 0;
    path[count] = 0;
    return strncmp(path, root, strlen(root)) == 0 && (!control->only[0] || strstr(path, control->only));
}

#define REAL(name) ((typeof(&name))dlsym(RTLD_NEXT, #name))

static ssize_t fail(int error) {
    errno = error;
    return -1;
}

ssize_t pwritev(int fd, const struct iovec *pieces, int count, off_t position) {
    if (!concerns(fd)) return REAL(pwritev)(fd, pieces, count, position);
    if (control->write_error) return fail(control->write_error);
    int64_t space = control->space;
    if (space < 0) return REAL(pwritev)(fd, pieces, count, position);
    size_t wanted = 0;
    for (int i = 0; i < count; i++) wanted += pieces[i].iov_len;
    struct stat found;
    if (fstat(fd, &found)) return -1;
    // Bytes that stand already need no space.
    int64_t end = position + (int64_t)wanted, fresh = end - found.st_size;
    if (fresh <= 0) return REAL(pwritev)(fd, pieces, count, position);
    if (fresh <= space) {
        control->space -= fresh;
        return REAL(pwritev)(fd, pieces, count, position);
    }
    if (space == 0) return fail(ENOSPC);
    // What still has room is written, as a real disk does.
    control->space = 0;
    size_t room = wanted - (size_t)(fresh - space), written = 0;
    for (int i = 0; i < count && written < room; i++) {
        size_t part = pieces[i].iov_len < room - written ? pieces[i].iov_len : room - written;
        if (pwrite(fd, pieces[i].iov_base, part, position + (off_t)written) != (ssize_t)part) return -1;
        written += part;
    }
    return (ssize_t)written;
}

ssize_t pread(int fd, void *target, size_t count, off_t position) {
    if (concerns(fd) && control->read_error) return fail(control->read_error);
    return REAL(pread)(fd, target, count, position);
}

static int sync_with(int (*real)(int), int fd) {
    if (!concerns(fd)) return real(fd);
    control->syncs++;
    if (control->sync_delay_us) {
        struct timespec delay = {0, control->sync_delay_us * 1000L};
        nanosleep(&delay, NULL);
    }
    if (control->sync_error) return (int)fail(control->sync_error);
    return real(fd);
}

int fsync(int fd) { return sync_with(REAL(fsync), fd); }
int fdatasync(int fd) { return sync_with(REAL(fdatasync), fd); }
int syncfs(int fd) { return sync_with(REAL(syncfs), fd); }
