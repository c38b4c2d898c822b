#!/bin/bash
# make_package.sh ARCHIVE FILE...: lays the files out as under an installation prefix and packs them.
set -euo pipefail

archive=$1
shift

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

include=$stage/include/espalier
lib=$stage/lib
mkdir -p "$include" "$lib/pkgconfig" "$lib/cmake/Espalier"

# The version stands once, in version.h.
version_number() { awk -v name="ESPALIER_VERSION_$1" '$2 == name { print $3 }' "$include/version.h"; }

for file in "$@"; do
  case $file in
    *.h) install -m 644 "$file" "$include" ;;
  esac
done
version=$(version_number MAJOR).$(version_number MINOR).$(version_number PATCH)

for file in "$@"; do
  case $file in
    *.h) ;;
    *.so.1)
      install -m 755 "$file" "$lib"
      ln -s "$(basename "$file")" "$lib/libespalier.so"
      ;;
    *.a) install -m 644 "$file" "$lib" ;;
    *.pc.in) sed "s/@VERSION@/$version/" "$file" > "$lib/pkgconfig/espalier.pc" ;;
    *.cmake) install -m 644 "$file" "$lib/cmake/Espalier" ;;
    *.cmake.in) sed "s/@VERSION@/$version/" "$file" > "$lib/cmake/Espalier/$(basename "$file" .in)" ;;
    *)
      echo "make_package.sh: no place for $file" >&2
      exit 1
      ;;
  esac
done
chmod 644 "$lib"/pkgconfig/* "$lib"/cmake/Espalier/*

# Sorted, without owner and date: the same files give the same archive.
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime=@0 -C "$stage" -cf "$archive" include lib
