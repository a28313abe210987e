// Tells ThreadSanitizer of the slow paths of Swift's Synchronization.Mutex.
//
// The fast paths are compiled into their callers, where ThreadSanitizer sees their atomics. A thread that has to wait, or
// has to wake another, goes through the library, which is not instrumented: what the former holder wrote then looks
// unordered with what the next one reads. Here the three slow paths are defined anew, in front of those of the library:
// each calls the library's, and says that the mutex was released before and acquired after. Nothing else is kept from
// ThreadSanitizer, so that access without the lock, or under another one, is reported as before.
//
// Linked only into the program that Tools/scripts/threads builds.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self

// _MutexHandle._lockSlow(_: UInt32), ._tryLockSlow() -> Bool, ._unlockSlow()
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define TRY_LOCK "$s15Synchronization12_MutexHandleV12_tryLockSlowSbyF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

void __tsan_acquire(void *address);
void __tsan_release(void *address);

static SWIFT void (*library_lock)(uint32_t thread, SELF);
static SWIFT bool (*library_try_lock)(SELF);
static SWIFT void (*library_unlock)(SELF);

__attribute__((constructor(101))) static void find(void)
{
    library_lock = dlsym(RTLD_NEXT, LOCK);
    library_try_lock = dlsym(RTLD_NEXT, TRY_LOCK);
    library_unlock = dlsym(RTLD_NEXT, UNLOCK);
    if (!library_lock || !library_try_lock || !library_unlock)
        abort();
}

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT bool try_lock_slow(SELF) __asm__(TRY_LOCK);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK);

SWIFT void lock_slow(uint32_t thread, SELF)
{
    library_lock(thread, self);
    __tsan_acquire(self);
}

SWIFT bool try_lock_slow(SELF)
{
    bool is_locked = library_try_lock(self);
    if (is_locked)
        __tsan_acquire(self);
    return is_locked;
}

SWIFT void unlock_slow(SELF)
{
    __tsan_release(self);
    library_unlock(self);
}
