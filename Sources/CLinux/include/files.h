// Files, folders and mappings. Every function returns -errno where it fails.
#ifndef MARTLET_FILES_H
#define MARTLET_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "pieces.h"

typedef struct {
    int64_t size;
    int64_t modified_ms;
    int32_t is_directory;
} martlet_attributes;

typedef enum { MARTLET_READ, MARTLET_UPDATE, MARTLET_CREATE, MARTLET_REPLACE, MARTLET_FOLDER } martlet_open_mode;

int martlet_open(const char *path, martlet_open_mode mode);
int martlet_close(int descriptor);
int martlet_attributes_of(const char *path, martlet_attributes *attributes);
int martlet_attributes_of_open(int descriptor, martlet_attributes *attributes);
int martlet_make_directory(const char *path);
int martlet_rename(const char *source, const char *target);
/// Removes a file or an empty folder.
int martlet_remove(const char *path);
/// Takes a write lock on the whole file that ends with this opening of it (F_OFD_SETLK). It keeps out other
/// openings in this process, and other processes that use POSIX locks as Kafka does.
int martlet_lock(int descriptor);
int martlet_space(const char *path, int64_t *total, int64_t *free);

ssize_t martlet_read_at(int descriptor, void *target, size_t count, int64_t position);
ssize_t martlet_write_at(int descriptor, const martlet_piece *pieces, int count, int64_t position);
int martlet_sync_data(int descriptor);
int martlet_sync_all(int descriptor);
// syncfs of the file system that holds the descriptor; only a kernel from 5.8 on tells of writes that failed.
int martlet_sync_disk(int descriptor);
int martlet_sync_disk_reports(void);
int martlet_truncate(int descriptor, int64_t size);

/// Maps the first `count` bytes read-only; *base is set.
int martlet_map(int descriptor, size_t count, void **base);
void martlet_unmap(void *base, size_t count);
/// Takes the pages out of the resident set; they are mapped anew when they are read again.
void martlet_give_back(void *base, size_t count);
/// The same for the code of this program.
void martlet_give_back_code(void);
int martlet_will_need(int descriptor, int64_t position, int64_t count);

/// A folder being read.
typedef struct martlet_folder martlet_folder;
int martlet_folder_open(const char *path, martlet_folder **folder);
/// The next name but `.` and `..`: 1, 0 at the end. The name is valid until the next call.
int martlet_folder_next(martlet_folder *folder, const char **name, int *is_directory);
void martlet_folder_close(martlet_folder *folder);

#endif
