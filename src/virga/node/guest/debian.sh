#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# debian.sh OUTDIR -- build a whole Debian cloud image with cloud-init from the Debian packages that this machine's apt knows.
# No loop device, no device mapper, nothing downloaded but packages. Root, for the packages' own scripts in a chroot.
# Makes in OUTDIR:
#   debian.qcow2   whole disk: MBR with GRUB for BIOS, p1 FAT with GRUB for UEFI, p2 ext4 root (last: it grows at the first boot)
#   debian.vmlinuz debian.initrd debian.rootfs.qcow2   the same as AKI / ARI / AMI (kernel and root file system on its own)
# Lines that begin with '@' say how far it is: '@ done total what'.
# Needs here: mmdebstrap, e2fsprogs, mtools,, qemu-utils
set -euo pipefail
umask 022
OUT=${1:?usage: debian.sh OUTDIR}; ROOTMB=${ROOTMB:-1536}; ESPMB=16; MORE=${PACKAGES:-}
[ "$(id -u)" = 0 ] || { echo "root is needed: packages run their scripts in a chroot" >&2; exit 1; }
for t in mmdebstrap mke2fs mformat qemu-img; do command -v $t > /dev/null || { echo "$t is missing: apt-get install mmdebstrap e2fsprogs mtools qemu-utils" >&2; exit 1; }; done
mkdir -p "$OUT"; OUT=$(readlink -f "$OUT")
W=$(mktemp -d "${TMPDIR:-/tmp}/virga-debian.XXXXXX"); trap 'rm -rf "$W"' EXIT
R=$W/root; STEPS=100
say() { echo "@ $1 $STEPS $2"; }

# ---- 1. packages, from where this machine has its own
say 0 "packages"
keys=/usr/share/keyrings/debian-archive-keyring.gpg
apt-get indextargets --format '$(ORIGIN)|$(REPO_URI)|$(RELEASE)|$(COMPONENT)' 'Created-By: Packages' | sort -u |
  awk -F'|' -v k="$keys" '$1=="Debian"{print "deb [signed-by=" k "] " $2 " " $3 " " $4}' > "$W/sources.list"
[ -s "$W/sources.list" ] || { echo "apt has no Debian sources here, or no lists of them: apt-get update" >&2; exit 1; }
suite=$(awk '$4 !~ /-/ {print $4; exit}' "$W/sources.list")
kernel=linux-image-cloud-amd64
want="$kernel,grub-pc-bin,grub-efi-amd64-bin,grub2-common,cloud-init,cloud-guest-utils,systemd-sysv,systemd-resolved,dbus,libnss-myhostname,libpam-systemd,netplan.io,\
udev,openssh-server,sudo,e2fsprogs,fdisk,iproute2,iputils-ping,curl,ca-certificates,less,vim-tiny,procps,kmod,initramfs-tools,zstd,qemu-guest-agent,locales,python3${MORE:+,$MORE}"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
printf '#!/bin/sh\nmkdir -p "$1/etc/initramfs-tools/conf.d"; printf "MODULES=most\\nCOMPRESS=zstd\\n" > "$1/etc/initramfs-tools/conf.d/virga"\n' > "$W/first"; chmod 755 "$W/first"
mmdebstrap --verbose --mode=root --variant=minbase --skip=cleanup/reproducible --include="$want" --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --aptopt='APT::Install-Recommends "false"' --essential-hook="$W/first" "$suite" "$R" "$W/sources.list" 2>&1 |
  awk -v steps=$STEPS '
    { print > "/dev/stderr" }
    /newly installed/ { total += $3 }
    /^(Get:|Unpacking |Setting up )/ { n++; at = total ? 5 + 60 * n / (3 * (total + 90)) : 3; if (at > 65) at = 65; if (int(at) > last) { last = int(at); print "@ " last " " steps " packages"; fflush() } }'
[ -e "$R/usr/bin/cloud-init" ] || { echo "the packages were not installed" >&2; exit 1; }

# ---- 2. what makes it a cloud image
say 66 "configuration"
UUID=$(cat /proc/sys/kernel/random/uuid); ESP=$(od -An -N4 -tx4 /dev/urandom | tr -d ' ' | tr a-f A-F)
KV=$(ls "$R/lib/modules" | sort -V | tail -1)
APPEND="console=tty0 console=ttyS0,115200n8 net.ifnames=0 biosdevname=0"
printf 'UUID=%s / ext4 rw,discard,errors=remount-ro,x-systemd.growfs 0 1\nUUID=%s-%s /boot/efi vfat umask=0077,nofail 0 1\n' "$UUID" "${ESP:0:4}" "${ESP:4:4}" > "$R/etc/fstab"
mkdir -p "$R/boot/efi" "$R/boot/grub" "$R/etc/default/grub.d" "$R/etc/cloud/cloud.cfg.d"
printf 'debian\n' > "$R/etc/hostname"; printf '127.0.0.1 localhost\n127.0.1.1 debian\n::1 localhost ip6-localhost ip6-loopback\n' > "$R/etc/hosts"
: > "$R/etc/machine-id"; rm -f "$R/var/lib/dbus/machine-id" "$R"/etc/ssh/ssh_host_*_key* "$R/etc/resolv.conf"
ln -s ../run/systemd/resolve/stub-resolv.conf "$R/etc/resolv.conf"
printf 'datasource_list: [ NoCloud, ConfigDrive, OpenStack, Ec2, None ]\n' > "$R/etc/cloud/cloud.cfg.d/90_datasources.cfg"
printf 'LANG=C.UTF-8\n' > "$R/etc/default/locale"
printf 'GRUB_CMDLINE_LINUX="%s"\nGRUB_CMDLINE_LINUX_DEFAULT=""\nGRUB_TIMEOUT=0\nGRUB_TERMINAL="console serial"\nGRUB_SERIAL_COMMAND="serial --speed=115200"\nGRUB_DISABLE_OS_PROBER=true\n' "$APPEND" > "$R/etc/default/grub.d/15_virga.cfg"
ln -sf /lib/systemd/system/serial-getty@.service "$R/etc/systemd/system/getty.target.wants/serial-getty@ttyS0.service" 2> /dev/null || true
rm -rf "$R"/var/cache/apt/archives/*.deb "$R"/var/lib/apt/lists/* "$R"/var/log/*.log "$R"/var/log/apt/*
cat > "$R/boot/grub/grub.cfg" <<E
# the first start's; update-grub in the machine writes a new one
set timeout=0
serial --speed=115200
terminal_output console serial
search --no-floppy --fs-uuid --set=root $UUID
menuentry 'Debian' {
  linux /vmlinuz root=UUID=$UUID ro $APPEND
  initrd /initrd.img
}
E
[ -e "$R/vmlinuz" ] || ln -s "boot/vmlinuz-$KV" "$R/vmlinuz"
[ -e "$R/initrd.img" ] || ln -s "boot/initrd.img-$KV" "$R/initrd.img"
[ -e "$R/boot/initrd.img-$KV" ] || { echo "the kernel has no initrd" >&2; exit 1; }

# ---- 3. loaders: GRUB's core goes behind the MBR (BIOS), and into the FAT partition (UEFI); both read /boot/grub of the root
say 70 "boot loader"
for kind in i386-pc x86_64-efi; do mkdir -p "$R/boot/grub/$kind"; cp "$R/usr/lib/grub/$kind"/*.{mod,lst} "$R/boot/grub/$kind/"; done
printf 'search --no-floppy --fs-uuid --set=root %s\nset prefix=($root)/boot/grub\n' "$UUID" > "$R/tmp/early.cfg"
chroot "$R" grub-mkimage -O i386-pc -o /tmp/core.img -p /boot/grub -c /tmp/early.cfg biosdisk part_msdos ext2 search search_fs_uuid normal
chroot "$R" grub-mkimage -O x86_64-efi -o /tmp/bootx64.efi -p /boot/grub -c /tmp/early.cfg part_msdos fat ext2 search search_fs_uuid normal linux configfile
mv "$R/tmp/core.img" "$R/tmp/bootx64.efi" "$W/"; cp "$R/usr/lib/grub/i386-pc/boot.img" "$W/"; rm -f "$R/tmp/early.cfg"
cp "$R/boot/vmlinuz-$KV" "$OUT/debian.vmlinuz"; cp "$R/boot/initrd.img-$KV" "$OUT/debian.initrd"

# ---- 4. the disk: ext4 straight from the directory, FAT by mtools, the table by hand
say 75 "file system"
mke2fs -q -t ext4 -U "$UUID" -L debian-root -E lazy_itable_init=1,resize=64G -m 1 -d "$R" "$W/root.img" "${ROOTMB}M"
rm -rf "$R"
truncate -s ${ESPMB}M "$W/esp.img"; mformat -i "$W/esp.img" -N "$ESP" -v ESP -h 64 -s 32 -H 2048 ::
mmd -i "$W/esp.img" ::/EFI ::/EFI/BOOT; mcopy -i "$W/esp.img" "$W/bootx64.efi" ::/EFI/BOOT/BOOTX64.EFI
say 82 "disk"
python3 - "$W" "$ESPMB" "$ROOTMB" <<'PY'
import os, struct, sys
w, esp, root = sys.argv[1], int(sys.argv[2]) * 2048, int(sys.argv[3]) * 2048
mbr = bytearray(open(f"{w}/boot.img", "rb").read()[:512])
core = open(f"{w}/core.img", "rb").read()
if len(core) > 2047 * 512:
    sys.exit("GRUB's core does not fit before the first partition")
mbr[440:512] = bytes(72)
struct.pack_into("<I", mbr, 440, int.from_bytes(os.urandom(4), "little") or 1)
entry = lambda boot, kind, start, size: struct.pack("<B3sB3sII", boot, b"\xfe\xff\xff", kind, b"\xfe\xff\xff", start, size)
mbr[446:462] = entry(0, 0xEF, 2048, esp)
mbr[462:478] = entry(0x80, 0x83, 2048 + esp, root)
mbr[510:] = b"\x55\xaa"
with open(f"{w}/disk.img", "wb") as out:
    out.truncate((2048 + esp + root) * 512)
    out.write(mbr + core)
    for name, at in (("esp", 2048), ("root", 2048 + esp)):
        out.seek(at * 512)
        with open(f"{w}/{name}.img", "rb") as part:
            while piece := part.read(1 << 20):
                out.write(piece) if piece.strip(b"\0") else out.seek(len(piece), 1)
PY
say 85 "compression"
qemu-img convert -p -c -O qcow2 "$W/disk.img" "$OUT/debian.qcow2.new" 2>&1 | tr '\r' '\n' | awk -v steps=$STEPS -F'[(/]' '/%/ { at = 85 + int($2 / 8); if (at > last) { last = at; print "@ " at " " steps " compression"; fflush() } }'
mv "$OUT/debian.qcow2.new" "$OUT/debian.qcow2"
if [ -n "${PARTS:-}" ]; then qemu-img convert -c -O qcow2 "$W/root.img" "$OUT/debian.rootfs.qcow2"; else rm -f "$OUT/debian.vmlinuz" "$OUT/debian.initrd"; fi
say $STEPS "done"
