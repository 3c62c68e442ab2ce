# SPDX-License-Identifier: Apache-2.0
"""Disks as a hostile tenant would make them: small files whose headers name what they must not, or claim what is not so."""

from __future__ import annotations

import gzip
import io
import lzma
import random
import struct
import zipfile

SECTOR = 512


def qcow2(*, backing: str = "", data_file: str | bool = False, size: int = 1 << 20, version: int = 3) -> bytes:
    """A qcow2 header, with whatever a hostile tenant would put into it."""
    name = backing.encode()
    head = struct.pack(">IIQIIQIIQQIIQ", 0x514649FB, version, 0, len(name), 16, size, 0, 1, 0, 0, 0, 0, 0)
    head += struct.pack(">QQQII", 4 if data_file else 0, 0, 0, 4, 104)
    if isinstance(data_file, str):
        path = data_file.encode()
        head += struct.pack(">II", 0x44415441, len(path)) + path.ljust(-(-len(path) // 8) * 8, b"\0")
    head += struct.pack(">II", 0, 0)
    if name:
        head = head[:8] + struct.pack(">Q", len(head)) + head[16:]
    return (head + name).ljust(65536, b"\0") + bytes(65536)


def vmdk(path: str, kind: str = "monolithicFlat", line: str = 'RW 2048 FLAT "{}" 0') -> bytes:
    """A text descriptor whose extent is another file."""
    text = f'# Disk DescriptorFile\nversion=1\nCID=123a465b\nparentCID=ffffffff\ncreateType="{kind}"\n\n{line.format(path)}\n\nddb.adapterType = "ide"\n'
    return text.encode().ljust(4096, b"\0")


def sparse_vmdk(path: str, kind: str = "monolithicFlat") -> bytes:
    """A binary VMDK header with such a descriptor inside."""
    head = struct.pack("<4sIIQQQQIQQQB", b"KDMV", 1, 3, 2048, 128, 1, 20, 512, 0, 0, 128, 0).ljust(SECTOR, b"\0")
    return head + vmdk(path, kind).ljust(20 * SECTOR, b"\0") + bytes(1 << 17)


def cowd(path: str) -> bytes:
    """The older sparse form of VMDK, with a parent."""
    return b"COWD" + struct.pack("<IIIIIII", 1, 3, 2048, 1, 4, 1, 1) + path.encode().ljust(2000, b"\0") + bytes(4096)


def sesparse() -> bytes:
    return struct.pack("<QQ", 0x00000000CAFEBABE, 0x0000000200000001).ljust(65536, b"\0")


def vhd(*, parent: str = "", size: int = 1 << 20) -> bytes:
    """A dynamic (3) or differencing (4) VHD: copy of the footer, header with the parent's name."""
    kind = 4 if parent else 3
    foot = struct.pack(
        ">8sIIQI4sI4sQQIII16sB",
        b"conectix",
        2,
        0x10000,
        512,
        0,
        b"tap\0",
        0x10000,
        b"Wi2k",
        size,
        size,
        0,
        kind,
        0,
        b"u" * 16,
        0,
    )
    foot = foot.ljust(SECTOR, b"\0")
    head = struct.pack(
        ">8sQQIIII16sII", b"cxsparse", 2**64 - 1, 1536, 0x10000, 1, 2 << 20, 0, b"p" * 16, 0, 0
    ) + parent.encode("utf-16-be")[:512].ljust(512, b"\0")
    return foot + head.ljust(1024, b"\0") + b"\xff" * SECTOR + foot


def vdi(*, size: int = 1 << 20, kind: int = 1) -> bytes:
    head = b"<<< Oracle VM VirtualBox Disk Image >>>\n".ljust(64, b"\0")
    head += (
        struct.pack("<IIIII", 0xBEDA107F, 0x10001, 400, kind, 0)
        + b"\0" * 256
        + struct.pack("<IIIIIII", 512, 1024, 0, 0, 0, 512, 0)
        + struct.pack("<QIIII", size, 1 << 20, 0, 1, 0)
    )
    return head.ljust(65536, b"\0")


def iso(size: int = 1 << 20) -> bytes:
    out = bytearray(max(size, 40960))
    out[32768:32774] = b"\x01CD001"
    out[32768 + 80 : 32768 + 88] = struct.pack("<I", len(out) // 2048) + struct.pack(">I", len(out) // 2048)
    out[32768 + 128 : 32768 + 132] = struct.pack("<H", 2048) + struct.pack(">H", 2048)
    return bytes(out)


def polyglot(path: str) -> bytes:
    """A qcow2 at its beginning, an ISO 9660 a little further."""
    both = bytearray(iso(1 << 18))
    head = qcow2(backing=path)[:2048]
    both[: len(head)] = head
    return bytes(both)


def gzip_bomb(size: int) -> bytes:
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    return out.getvalue()


def xz_bomb(size: int) -> bytes:
    packer = lzma.LZMACompressor(preset=0)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()


def zipped(name: str, data: bytes, more: bool = False) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, data)
        if more:
            file.writestr("second", data)
    return out.getvalue()


def fuzzed(seed: int, count: int) -> list[tuple[str, bytes]]:
    """Headers that are nearly right: bytes flipped, cut off, lengths made huge."""
    chance, out = random.Random(seed), []
    good = {"qcow2": qcow2(), "vmdk": sparse_vmdk("x", "monolithicSparse"), "vhd": vhd(), "vdi": vdi(), "iso": iso()}
    for n in range(count):
        name = chance.choice(sorted(good))
        data = bytearray(good[name])
        for _ in range(chance.randint(1, 24)):
            at = chance.randrange(0, min(len(data), 1200))
            data[at] = chance.choice((0, 255, 127, 128, chance.randrange(256)))
        if n % 5 == 0:
            del data[chance.randrange(1, 2000) :]
        out.append((name, bytes(data)))
    return out
