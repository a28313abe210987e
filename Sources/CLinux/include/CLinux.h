// CLinux: the few things of Linux that Swift cannot say itself.
//
// Each function here is a thin shim: it holds no state and knows nothing of the broker. Errors come back as
// negative errno values, never through the errno variable, so that no Swift code can clobber it in between.
#ifndef MARTLET_CLINUX_H
#define MARTLET_CLINUX_H

#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>

/// CRC-32C (Castagnoli) of `count` bytes, continuing from `crc` (0 to begin).
/// Uses the SSE 4.2 or ARMv8 instruction when the processor has it, else a table.
uint32_t martlet_crc32c(uint32_t crc, const void *bytes, size_t count);

/// The table implementation alone, for tests and for processors without the instruction.
uint32_t martlet_crc32c_table(uint32_t crc, const void *bytes, size_t count);

/// Copies `count` mapped bytes to `target`. A fault on the mapping (SIGBUS after an I/O error or a truncation)
/// comes back as -EIO instead of ending the process. Install the handler once with `martlet_install_fault_handler`.
int martlet_copy_mapped(void *target, const void *source, size_t count);

/// Whether `count` bytes from `position` of a mapping are in memory and up to date: 1 or 0. A page that is being read is
/// not there yet for mincore, as it is for cachestat.
int martlet_mapped_is_resident(void *base, size_t position, size_t count);

/// Installs the SIGBUS handler that `martlet_copy_mapped` relies on. Faults elsewhere keep their default action.
int martlet_install_fault_handler(void);

#include "events.h"
#include "files.h"
#include "sockets.h"

#endif
