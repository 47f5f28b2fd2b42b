/* remove_tree.h - a folder that a test made, with all that is in it. */
#ifndef ECBAK_TEST_REMOVE_TREE_H
#define ECBAK_TEST_REMOVE_TREE_H

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static inline int remove_one(const char *path, const struct stat *status, int kind,
                             struct FTW *walk)
{
    (void)status, (void)kind, (void)walk;
    return remove(path);
}

/* 0 when nothing of it is left; links in it are not followed. */
static inline int remove_tree(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
