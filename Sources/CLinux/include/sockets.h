// TCP sockets: nonblocking, closed on exec, without delay. Addresses in a form that Swift can hold.
#ifndef MARTLET_SOCKETS_H
#define MARTLET_SOCKETS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "pieces.h"

/// An address: 4 or 16 bytes in network order from the start of `high`; `family` is 4, 6, or 0 for none.
typedef struct {
    uint64_t high;
    uint64_t low;
    uint32_t scope;
    uint16_t port;
    uint16_t family;
} martlet_address;

/// Room that `martlet_address_text` needs.
#define MARTLET_ADDRESS_TEXT_MAX 64

/// Looks up `host` (NULL: all interfaces if `passive`, else the loopback ones) and fills at most `max` addresses.
/// Returns their number, -errno, or -(10000 - code) for a code of getaddrinfo, which are negative themselves.
/// With `numeric` no name server is asked.
int martlet_resolve(const char *host, uint16_t port, int passive, int numeric, martlet_address *found, int max);
/// Writes the numeric form; an IPv4 address mapped into IPv6 is written as IPv4.
int martlet_address_text(const martlet_address *address, char *text);

int martlet_listen(const martlet_address *address, int backlog);
/// Ends accepting at once; may be called on any thread.
void martlet_listen_end(int descriptor);
int martlet_accept(int descriptor, martlet_address *peer);
/// A socket whose connecting has begun; it becomes writable when that has ended.
int martlet_connect(const martlet_address *address);
/// How connecting ended, or what failed a connection: 0 or -errno.
int martlet_socket_error(int descriptor);
int martlet_local_address(int descriptor, martlet_address *address);
void martlet_end_sending(int descriptor);

ssize_t martlet_receive(int descriptor, void *target, size_t count);
ssize_t martlet_send(int descriptor, const martlet_piece *pieces, size_t count, int more);
ssize_t martlet_send_file(int descriptor, int file, int64_t position, size_t count);

#endif
