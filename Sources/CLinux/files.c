// File system calls.
#include "CLinux.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

static int outcome(int result) { return result < 0 ? -errno : result; }

int martlet_open(const char *path, martlet_open_mode mode) {
    int flags = O_CLOEXEC;
    switch (mode) {
    case MARTLET_READ: flags |= O_RDONLY; break;
    case MARTLET_UPDATE: flags |= O_RDWR; break;
    case MARTLET_CREATE: flags |= O_RDWR | O_CREAT; break;
    case MARTLET_REPLACE: flags |= O_RDWR | O_CREAT | O_TRUNC; break;
    case MARTLET_FOLDER: flags |= O_RDONLY | O_DIRECTORY; break;
    }
    int descriptor;
    do { descriptor = open(path, flags, 0644); } while (descriptor < 0 && errno == EINTR);
    return outcome(descriptor);
}

int martlet_close(int descriptor) { return outcome(close(descriptor)); }

static void fill(const struct stat *from, martlet_attributes *to) {
    to->size = from->st_size;
    to->modified_ms = (int64_t)from->st_mtim.tv_sec * 1000 + from->st_mtim.tv_nsec / 1000000;
    to->is_directory = S_ISDIR(from->st_mode);
}

int martlet_attributes_of(const char *path, martlet_attributes *attributes) {
    struct stat found;
    if (stat(path, &found) < 0) return -errno;
    fill(&found, attributes);
    return 0;
}

int martlet_attributes_of_open(int descriptor, martlet_attributes *attributes) {
    struct stat found;
    if (fstat(descriptor, &found) < 0) return -errno;
    fill(&found, attributes);
    return 0;
}

int martlet_make_directory(const char *path) { return outcome(mkdir(path, 0755)); }
int martlet_rename(const char *source, const char *target) { return outcome(rename(source, target)); }

int martlet_remove(const char *path) {
    if (unlink(path) == 0) return 0;
    if (errno != EISDIR) return -errno;
    return outcome(rmdir(path));
}

int martlet_lock(int descriptor) {
    struct flock lock;
    memset(&lock, 0, sizeof lock);
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return outcome(fcntl(descriptor, F_OFD_SETLK, &lock));
}

int martlet_space(const char *path, int64_t *total, int64_t *free) {
    struct statvfs found;
    if (statvfs(path, &found) < 0) return -errno;
    *total = (int64_t)found.f_blocks * (int64_t)found.f_frsize;
    *free = (int64_t)found.f_bavail * (int64_t)found.f_frsize;
    return 0;
}

ssize_t martlet_read_at(int descriptor, void *target, size_t count, int64_t position) {
    ssize_t result = pread(descriptor, target, count, position);
    return result < 0 ? -errno : result;
}

ssize_t martlet_write_at(int descriptor, const martlet_piece *pieces, int count, int64_t position) {
    ssize_t result = pwritev(descriptor, (const struct iovec *)pieces, count, position);
    return result < 0 ? -errno : result;
}

int martlet_sync_data(int descriptor) { return outcome(fdatasync(descriptor)); }
int martlet_sync_all(int descriptor) { return outcome(fsync(descriptor)); }
int martlet_sync_disk(int descriptor) { return outcome(syncfs(descriptor)); }

int martlet_sync_disk_reports(void) {
    struct utsname name;
    int major = 0, minor = 0;
    if (uname(&name) != 0 || sscanf(name.release, "%d.%d", &major, &minor) != 2) return 0;
    return major > 5 || (major == 5 && minor >= 8);
}

int martlet_truncate(int descriptor, int64_t size) { return outcome(ftruncate(descriptor, size)); }

int martlet_map(int descriptor, size_t count, void **base) {
    void *mapped = mmap(NULL, count, PROT_READ, MAP_SHARED, descriptor, 0);
    if (mapped == MAP_FAILED) return -errno;
    *base = mapped;
    return 0;
}

void martlet_unmap(void *base, size_t count) { munmap(base, count); }

void martlet_give_back(void *base, size_t count) { madvise(base, count, MADV_DONTNEED); }

int martlet_will_need(int descriptor, int64_t position, int64_t count) {
    return -posix_fadvise(descriptor, position, count, POSIX_FADV_WILLNEED);
}

// Set by the linker: the image's first byte and the end of its code. What lies between is never written.
extern const char __executable_start[];
extern const char etext[];

void martlet_give_back_code(void) {
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)__executable_start & ~(page - 1);
    uintptr_t end = (uintptr_t)etext & ~(page - 1);
    if (end > start) martlet_give_back((void *)start, end - start);
}

struct martlet_folder {
    DIR *stream;
};

int martlet_folder_open(const char *path, martlet_folder **folder) {
    DIR *stream = opendir(path);
    if (!stream) return -errno;
    martlet_folder *made = malloc(sizeof *made);
    if (!made) {
        closedir(stream);
        return -ENOMEM;
    }
    made->stream = stream;
    *folder = made;
    return 0;
}

int martlet_folder_next(martlet_folder *folder, const char **name, int *is_directory) {
    while (1) {
        errno = 0;
        struct dirent *entry = readdir(folder->stream);
        if (!entry) return errno ? -errno : 0;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        *name = entry->d_name;
        *is_directory = entry->d_type == DT_DIR;
        if (entry->d_type == DT_UNKNOWN || entry->d_type == DT_LNK) {
            struct stat found;
            *is_directory = fstatat(dirfd(folder->stream), entry->d_name, &found, 0) == 0 && S_ISDIR(found.st_mode);
        }
        return 1;
    }
}

void martlet_folder_close(martlet_folder *folder) {
    closedir(folder->stream);
    free(folder);
}
