/* Runs a network with pages around its buffers that fault when they are touched.
 *
 *   guarded INPUT OUTPUT      raw samples; each is run twice, so OUTPUT holds two results a sample
 *
 * First the buffers end where a page ends, then they begin where one begins. What is left of their
 * pages must stay as it was, and garbage in the workspace must not matter.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 65536u /* of any machine */

int RUN(const void *input, void *output, void *workspace);

struct guarded {
    unsigned char *pages, *data;
    size_t room, size;
};

static int make(struct guarded *g, size_t size)
{
    unsigned char *all;
    g->size = size;
    g->room = (size + PAGE - 1) / PAGE * PAGE;
    all = mmap(NULL, g->room + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED)
        return 1;
    g->pages = all + PAGE;
    return mprotect(g->pages, g->room, PROT_READ | PROT_WRITE);
}

static void place(struct guarded *g, int at_end, size_t alignment, int fill)
{
    memset(g->pages, fill, g->room);
    g->data = g->pages + (at_end ? (g->room - g->size) / alignment * alignment : 0);
}

static int untouched(const struct guarded *g, int fill)
{
    for (const unsigned char *p = g->pages; p < g->pages + g->room; p++)
        if ((p < g->data || p >= g->data + g->size) && *p != fill)
            return 0;
    return 1;
}

int main(int argc, char **argv)
{
    struct guarded x, y, w;
    FILE *in, *out;
    if (argc != 3 || make(&x, INPUT_BYTES) || make(&y, OUTPUT_BYTES) || make(&w, WORKSPACE_BYTES))
        return 2;
    in = fopen(argv[1], "rb");
    out = fopen(argv[2], "wb");
    if (in == NULL || out == NULL)
        return 2;
    for (;;)
        for (int at_end = 1; at_end >= 0; at_end--) {
            const int fill = at_end ? 0xA5 : 0x7F;
            place(&x, at_end, 1, fill);
            place(&y, at_end, 1, fill);
            place(&w, at_end, 64, fill);
            if (at_end) {
                if (fread(x.data, INPUT_BYTES, 1, in) != 1)
                    return fclose(out) != 0;
            } else {
                fseek(in, -(long)INPUT_BYTES, SEEK_CUR);
                if (fread(x.data, INPUT_BYTES, 1, in) != 1)
                    return 2;
            }
            if (RUN(x.data, y.data, w.data) != 0)
                return 3;
            if (!untouched(&x, fill) || !untouched(&y, fill) || !untouched(&w, fill))
                return 4;
            fwrite(y.data, OUTPUT_BYTES, 1, out);
        }
}
