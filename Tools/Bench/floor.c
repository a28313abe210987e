// The floor: the least that any server must do for the same load. It receives a Produce request (version 8, one batch
// for one partition), checks the CRC of the batch, writes base offset and epoch into it, appends it to a file with one
// write, and answers. It answers a Fetch request (version 11) with a head and a range of that file by sendfile, and
// heartbeats of groups (Heartbeat version 2, ConsumerGroupHeartbeat version 0) with bytes that say that all is well.
//
//     floor PORT FILE RECORDS_PER_BATCH [FILES]
//
// With FILES a batch goes to the file FILE.N of its partition, without it there is FILE.0 alone; fetches are served from
// that. The batches that are read back have the size of the first one, so that an offset is a position by arithmetic. One
// thread, one epoll loop, no limits, no errors, no recovery: nothing that a broker is for.
#define _GNU_SOURCE
#include "CLinux.h"
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (4 << 20)
#define SHARE (256 << 10)

struct peer {
    int fd;
    size_t have;
    char *in;
    // What is left of an answer.
    char head[256];
    size_t head_size, head_sent;
    off_t body, body_end;
};

struct log {
    int file;
    off_t end;
    int64_t next_offset;
};

static struct log *logs;
static int poller;
static int records_per_batch;
static size_t batch_size;

static uint16_t get16(const char *at) { uint16_t v; memcpy(&v, at, 2); return be16toh(v); }
static uint32_t get32(const char *at) { uint32_t v; memcpy(&v, at, 4); return be32toh(v); }
static uint64_t get64(const char *at) { uint64_t v; memcpy(&v, at, 8); return be64toh(v); }
static char *put16(char *at, uint16_t v) { v = htobe16(v); memcpy(at, &v, 2); return at + 2; }
static char *put32(char *at, uint32_t v) { v = htobe32(v); memcpy(at, &v, 4); return at + 4; }
static char *put64(char *at, uint64_t v) { v = htobe64(v); memcpy(at, &v, 8); return at + 8; }

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void watch(struct peer *peer, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = peer};
    if (epoll_ctl(poller, operation, peer->fd, &event)) die("epoll_ctl");
}

// Answers `topic`, whose name with its length stands at `topic`.
static char *put_topic(char *to, const char *topic) {
    size_t size = 2 + get16(topic);
    memcpy(to, topic, size);
    return to + size;
}

static void produce(struct peer *peer, char *at, uint32_t correlation) {
    char *topic = at + 2 + 2 + 4 + 4;
    char *partitions = topic + 2 + get16(topic);
    char *batch = partitions + 12;
    size_t size = get32(partitions + 8);
    struct log *log = &logs[get32(partitions + 4)];
    if (martlet_crc32c(0, batch + 21, size - 21) != get32(batch + 17)) die("crc");
    put64(batch, log->next_offset);
    put32(batch + 12, 0);
    if (pwrite(log->file, batch, size, log->end) != (ssize_t)size) die("pwrite");
    int64_t base = log->next_offset;
    log->end += size;
    if (!batch_size) batch_size = size;
    log->next_offset += records_per_batch;
    char *to = put32(peer->head + 4, correlation);
    to = put_topic(put32(to, 1), topic);
    to = put32(put32(to, 1), 0);
    to = put64(put64(put64(put16(to, 0), base), -1), 0);
    to = put32(put16(put32(to, 0), -1), 0);
    put32(peer->head, to - peer->head - 4);
    peer->head_size = to - peer->head;
}

static void fetch(struct peer *peer, char *at, uint32_t correlation) {
    char *topic = at + 4 + 4 + 4 + 4 + 1 + 4 + 4 + 4;
    char *partition = topic + 2 + get16(topic) + 4;
    int64_t offset = get64(partition + 8);
    uint32_t most = get32(partition + 24);
    peer->body = offset / records_per_batch * batch_size;
    peer->body_end = peer->body + most < logs->end ? peer->body + most : logs->end;
    char *to = put32(peer->head + 4, correlation);
    to = put32(put32(put16(put32(to, 0), 0), 0), 1);
    to = put_topic(to, topic);
    to = put32(put32(to, 1), 0);
    to = put64(put64(put64(put16(to, 0), logs->next_offset), logs->next_offset), 0);
    to = put32(put32(put32(to, -1), -1), peer->body_end - peer->body);
    put32(peer->head, to - peer->head - 4 + (peer->body_end - peer->body));
    peer->head_size = to - peer->head;
}

// All is well in the group; nothing is looked up.
static void heartbeat(struct peer *peer, uint32_t correlation) {
    char *to = put32(peer->head + 4, correlation);
    to = put16(put32(to, 0), 0);
    put32(peer->head, to - peer->head - 4);
    peer->head_size = to - peer->head;
}

// The same for the new protocol, with the id and the epoch that the member told.
static void consumer_heartbeat(struct peer *peer, char *at, uint32_t correlation) {
    char *member = at + *at;
    size_t size = *member;
    char *to = put32(peer->head + 4, correlation);
    *to++ = 0;
    to = put16(put32(to, 0), 0);
    *to++ = 0;
    memcpy(to, member, size + 4);
    to = put32(to + size + 4, 3000);
    *to++ = -1;
    *to++ = 0;
    put32(peer->head, to - peer->head - 4);
    peer->head_size = to - peer->head;
}

// Sends what is left, a share at a time; false when the kernel takes no more.
static int flush_peer(struct peer *peer) {
    while (peer->head_sent < peer->head_size) {
        int more = peer->body < peer->body_end ? MSG_MORE : 0;
        ssize_t n = send(
            peer->fd, peer->head + peer->head_sent, peer->head_size - peer->head_sent, MSG_NOSIGNAL | more);
        if (n < 0) return errno == EAGAIN ? 0 : -1;
        peer->head_sent += n;
    }
    size_t share = SHARE;
    while (peer->body < peer->body_end) {
        if (!share) return 0;
        size_t size = peer->body_end - peer->body;
        ssize_t n = sendfile(peer->fd, logs->file, &peer->body, size < share ? size : share);
        if (n < 0) return errno == EAGAIN ? 0 : -1;
        share -= n;
    }
    peer->head_size = peer->head_sent = 0;
    return 1;
}

static void drop(struct peer *peer) {
    close(peer->fd);
    free(peer->in);
    free(peer);
}

// Handles the whole requests that have come; stops at one whose answer does not leave at once.
static void serve(struct peer *peer) {
    size_t used = 0;
    int done = flush_peer(peer);
    while (done == 1 && peer->have - used >= 4) {
        char *frame = peer->in + used;
        size_t size = get32(frame);
        if (peer->have - used < 4 + size) break;
        char *body = frame + 4 + 8 + 2;
        if (get16(frame + 12) != 0xffff) body += get16(frame + 12);
        uint32_t correlation = get32(frame + 8);
        switch (get16(frame + 4)) {
        case 0: produce(peer, body, correlation); break;
        case 12: heartbeat(peer, correlation); break;
        case 68: consumer_heartbeat(peer, body + 1, correlation); break;
        default: fetch(peer, body, correlation);
        }
        used += 4 + size;
        done = flush_peer(peer);
    }
    memmove(peer->in, peer->in + used, peer->have - used);
    peer->have -= used;
    if (done < 0) drop(peer);
    else watch(peer, EPOLL_CTL_MOD, done ? EPOLLIN : EPOLLOUT);
}

static void receive(struct peer *peer) {
    ssize_t n = recv(peer->fd, peer->in + peer->have, ROOM - peer->have, 0);
    if (n < 0 && errno == EAGAIN) return;
    if (n <= 0) return drop(peer);
    peer->have += n;
    serve(peer);
}

static void welcome(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK), on = 1;
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct peer *peer = calloc(1, sizeof *peer);
    peer->fd = fd;
    peer->in = malloc(ROOM);
    watch(peer, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int count, char **arguments) {
    if (count != 4 && count != 5) return fprintf(stderr, "floor PORT FILE RECORDS_PER_BATCH [FILES]\n"), 2;
    records_per_batch = atoi(arguments[3]);
    int files = count == 5 ? atoi(arguments[4]) : 1;
    logs = calloc(files, sizeof *logs);
    for (int i = 0; i < files; i++) {
        char path[4096];
        snprintf(path, sizeof path, "%s.%d", arguments[2], i);
        if ((logs[i].file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644)) < 0) die(path);
    }
    int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) die("start");
    poller = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            struct peer *peer = events[i].data.ptr;
            if (!peer) welcome(listener);
            else if (events[i].events & EPOLLOUT) serve(peer);
            else receive(peer);
        }
    }
}
