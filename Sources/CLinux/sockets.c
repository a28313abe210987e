// Sockets and addresses. Every function returns -errno where it fails.
#include "CLinux.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

_Static_assert(
    sizeof(martlet_piece) == sizeof(struct iovec)
        && offsetof(martlet_piece, base) == offsetof(struct iovec, iov_base)
        && offsetof(martlet_piece, count) == offsetof(struct iovec, iov_len), "the layout of iovec");

static socklen_t to_system(const martlet_address *address, struct sockaddr_storage *storage) {
    memset(storage, 0, sizeof *storage);
    if (address->family == 4) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)storage;
        v4->sin_family = AF_INET;
        v4->sin_port = htons(address->port);
        memcpy(&v4->sin_addr, &address->high, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)storage;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address->port);
    v6->sin6_scope_id = address->scope;
    memcpy((char *)&v6->sin6_addr, &address->high, 8);
    memcpy((char *)&v6->sin6_addr + 8, &address->low, 8);
    return sizeof *v6;
}

static void from_system(const struct sockaddr_storage *storage, martlet_address *address) {
    memset(address, 0, sizeof *address);
    if (storage->ss_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)storage;
        address->family = 4;
        address->port = ntohs(v4->sin_port);
        memcpy(&address->high, &v4->sin_addr, 4);
    } else if (storage->ss_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)storage;
        address->family = 6;
        address->port = ntohs(v6->sin6_port);
        address->scope = v6->sin6_scope_id;
        memcpy(&address->high, &v6->sin6_addr, 8);
        memcpy(&address->low, (const char *)&v6->sin6_addr + 8, 8);
    }
}

int martlet_resolve(const char *host, uint16_t port, int passive, int numeric, martlet_address *found, int max) {
    struct addrinfo hints, *list = NULL;
    char service[8];
    memset(&hints, 0, sizeof hints);
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | (passive ? AI_PASSIVE : 0) | (numeric ? AI_NUMERICHOST : 0);
    snprintf(service, sizeof service, "%u", port);
    int code = getaddrinfo(host, service, &hints, &list);
    if (code == EAI_SYSTEM) return -errno;
    if (code != 0) return -10000 + code;
    int count = 0;
    for (struct addrinfo *each = list; each && count < max; each = each->ai_next) {
        if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
        struct sockaddr_storage storage;
        memset(&storage, 0, sizeof storage);
        memcpy(&storage, each->ai_addr, each->ai_addrlen);
        from_system(&storage, &found[count++]);
    }
    freeaddrinfo(list);
    return count;
}

int martlet_address_text(const martlet_address *address, char *text) {
    const void *bytes = &address->high;
    int family = address->family == 4 ? AF_INET : AF_INET6;
    struct in6_addr v6;
    if (address->family == 0) return -EINVAL;
    if (family == AF_INET6) {
        memcpy(&v6, &address->high, 8);
        memcpy((char *)&v6 + 8, &address->low, 8);
        bytes = &v6;
        if (IN6_IS_ADDR_V4MAPPED(&v6)) {
            family = AF_INET;
            bytes = (const char *)&v6 + 12;
        }
    }
    return inet_ntop(family, bytes, text, MARTLET_ADDRESS_TEXT_MAX) ? 0 : -errno;
}

static int failed(int descriptor) {
    int error = errno;
    close(descriptor);
    return -error;
}

static void set_option(int descriptor, int level, int name, int value) {
    setsockopt(descriptor, level, name, &value, sizeof value);
}

int martlet_listen(const martlet_address *address, int backlog) {
    struct sockaddr_storage storage;
    socklen_t length = to_system(address, &storage);
    int descriptor = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (address->family == 6) {
        int only = (address->high | address->low) != 0;
        set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, only);
    }
    if (bind(descriptor, (struct sockaddr *)&storage, length) < 0) return failed(descriptor);
    if (listen(descriptor, backlog) < 0) return failed(descriptor);
    return descriptor;
}

void martlet_listen_end(int descriptor) { shutdown(descriptor, SHUT_RDWR); }

int martlet_accept(int descriptor, martlet_address *peer) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    int accepted = accept4(descriptor, (struct sockaddr *)&storage, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0) return -errno;
    set_option(accepted, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(accepted, SOL_SOCKET, SO_KEEPALIVE, 1);
    from_system(&storage, peer);
    return accepted;
}

int martlet_connect(const martlet_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = to_system(address, &storage);
    int descriptor = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) return -errno;
    set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
    int result = connect(descriptor, (struct sockaddr *)&storage, length);
    if (result < 0 && errno != EINPROGRESS && errno != EINTR) return failed(descriptor);
    return descriptor;
}

int martlet_socket_error(int descriptor) {
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &error, &length) < 0) return -errno;
    return -error;
}

int martlet_local_address(int descriptor, martlet_address *address) {
    struct sockaddr_storage storage;
    socklen_t length = sizeof storage;
    memset(&storage, 0, sizeof storage);
    if (getsockname(descriptor, (struct sockaddr *)&storage, &length) < 0) return -errno;
    from_system(&storage, address);
    return 0;
}

void martlet_end_sending(int descriptor) { shutdown(descriptor, SHUT_WR); }

ssize_t martlet_receive(int descriptor, void *target, size_t count) {
    ssize_t result = recv(descriptor, target, count, 0);
    return result < 0 ? -errno : result;
}

ssize_t martlet_send(int descriptor, const martlet_piece *pieces, size_t count, int more) {
    if (count == 1) {
        ssize_t sent = send(descriptor, pieces->base, pieces->count, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
        return sent < 0 ? -errno : sent;
    }
    struct msghdr message;
    memset(&message, 0, sizeof message);
    message.msg_iov = (struct iovec *)pieces;
    message.msg_iovlen = count;
    ssize_t result = sendmsg(descriptor, &message, MSG_NOSIGNAL | (more ? MSG_MORE : 0));
    return result < 0 ? -errno : result;
}

ssize_t martlet_send_file(int descriptor, int file, int64_t position, size_t count) {
    off_t offset = position;
    ssize_t result = sendfile(descriptor, file, &offset, count);
    return result < 0 ? -errno : result;
}
