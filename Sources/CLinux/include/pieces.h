// One piece of a gathered send or write: the layout of iovec, under a name that Swift finds in this module only.
#ifndef MARTLET_PIECES_H
#define MARTLET_PIECES_H

#include <stddef.h>

typedef struct {
    const void *base;
    size_t count;
} martlet_piece;

#endif
