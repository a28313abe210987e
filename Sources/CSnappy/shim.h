// The header of the library, nothing else.
#include <snappy-c.h>
