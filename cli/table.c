#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

#include "cli/text.h"

int table_begin(struct table *table, const struct table_column *columns, size_t count,
                struct failure *failure)
{
    memset(table, 0, sizeof(*table));
    table->columns = columns;
    table->count = count;
    table->cells = open_memstream(&table->memory, &table->size);
    if (!table->cells)
        return fail(failure, "memory is out");
    for (size_t i = 0; i < count; i++)
        table_text(table, columns[i].title);
    return 0;
}

void table_cell(struct table *table, const char *text, size_t len)
{
    size_t column = table->next;
    size_t width = text_print(table->cells, text, len, table->columns[column].most);

    if (width > table->widths[column])
        table->widths[column] = width;
    fputc(0, table->cells);
    fputc((int)width + 1, table->cells);
    table->next = (column + 1) % table->count;
}

void table_text(struct table *table, const char *text)
{
    table_cell(table, text, strlen(text));
}

static void print_cell(const struct table *table, FILE *out, size_t column, const char *cell, size_t width)
{
    int padding = (int)(table->widths[column] - width);
    int is_last = column + 1 == table->count;

    if (table->columns[column].right)
        fprintf(out, "%*s%s", padding, "", cell);
    else
        fprintf(out, "%s%*s", cell, is_last ? 0 : padding, "");
    fputs(is_last ? "\n" : "  ", out);
}

int table_end(struct table *table, FILE *out, struct failure *failure)
{
    int lost = ferror(table->cells);
    size_t column = 0;

    if (fclose(table->cells) != 0 || lost) {
        free(table->memory);
        return fail(failure, "memory is out; ask for fewer rows with --limit");
    }
    for (size_t at = 0; at < table->size;) {
        const char *cell = table->memory + at;
        size_t len = strlen(cell);

        print_cell(table, out, column, cell, (unsigned char)cell[len + 1] - 1u);
        column = (column + 1) % table->count;
        at += len + 2;
    }
    free(table->memory);
    return 0;
}

void table_drop(struct table *table)
{
    fclose(table->cells);
    free(table->memory);
}
