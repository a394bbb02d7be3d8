"""What a board is, as one line of JSON. Sent on stdin to `python -I -S -` before anything is uploaded.

It parses on every Python, 2.7 included, so that a too old one can say so itself. No f-strings, no annotations.
"""
# mypy: allow-untyped-defs, allow-untyped-calls

import errno
import hashlib
import json
import os
import platform
import re
import sys

SENTINEL = "@@edge-facts@@"


def read(path):
    """The text of a small file, or None."""
    try:
        with open(path, "rb") as stream:
            return stream.read(1000000).decode("utf-8", "replace").strip("\0 \n\t")
    except (IOError, OSError):
        return None


def keyed(text, separator, *keys):
    """The value after the first of ``keys`` in a text of ``key<separator>value`` lines."""
    for line in (text or "").splitlines():
        name, found, value = line.partition(separator)
        if found and name.strip() in keys:
            return value.strip().strip('"')
    return None


def libc():
    """[name, version]: glibc says its own, musl is known by its loader."""
    try:
        name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        if name:
            return [name, version]
    except (AttributeError, ValueError, OSError):
        pass
    try:
        if any(entry.startswith("ld-musl") for entry in os.listdir("/lib")):
            return ["musl", ""]
    except OSError:
        pass
    return ["", ""]


def memory_bytes(text, *keys):
    """A line of /proc/meminfo, which counts in kB."""
    value = keyed(text, ":", *keys)
    return int(value.split()[0]) * 1024 if value else None


def cpu_model(text):
    """The CPU's name: x86 says it directly, an Arm core only its part number, a Pi kernel the board."""
    named = keyed(text, ":", "model name", "cpu model", "Processor")
    if named:
        return named
    part, maker = keyed(text, ":", "CPU part"), keyed(text, ":", "CPU implementer")
    cores = {"0xd03": "Cortex-A53", "0xd07": "Cortex-A57", "0xd08": "Cortex-A72", "0xd0b": "Cortex-A76"}
    cores.update({"0xd05": "Cortex-A55", "0xd42": "Cortex-A78AE", "0xd04": "Cortex-A35", "0xc07": "Cortex-A7"})
    if maker == "0x41" and part in cores:
        return cores[part]
    return "%s %s" % (maker, part) if part else platform.machine()


def serial():
    """What tells this board from another one of its kind: a digest of its serial number, or None."""
    paths = ("/proc/device-tree/serial-number", "/sys/class/dmi/id/product_uuid", "/sys/class/dmi/id/product_serial")
    for text in [read(path) for path in paths] + [keyed(read("/proc/cpuinfo"), ":", "Serial")]:
        if text and re.search("[1-9A-Za-z]", text) and re.search("[0-9]", text):
            return hashlib.sha256(text.encode("utf-8")).hexdigest()[:12]
    return None


def cores():
    """Cores that are online."""
    try:
        return os.sysconf("SC_NPROCESSORS_ONLN")
    except (ValueError, OSError):
        return 1


def power_mode():
    """The name of a Jetson's power mode: nvpmodel notes down its number, and its configuration the names."""
    number = re.search(r"pmode:0*(\d+)", read("/var/lib/nvpmodel/status") or "")
    modes = re.findall(r"(?m)^<\s*POWER_MODEL\s+ID=(\d+)\s+NAME=([^\s>]+)", read("/etc/nvpmodel.conf") or "")
    return dict(modes).get(number.group(1)) if number else None


def firmware():
    """What the board was started by: L4T of a Jetson, start.elf of a Raspberry Pi (a git hash), the BIOS of a PC."""
    l4t = re.search(r"# R(\d+) \(release\), REVISION: ([\d.]+)", read("/etc/nv_tegra_release") or "")
    if l4t:
        return "L4T %s.%s" % l4t.groups()
    return read("/proc/device-tree/chosen/bootloader/version") or read("/sys/class/dmi/id/bios_version") or None


def prepare(workdir):
    """Make the folders and write a file for a try; the reason if that does not work."""
    probe = os.path.join(workdir, ".probe-%d" % os.getpid())
    try:
        for name in ("", "blobs", "envs", "jobs"):
            path = os.path.join(workdir, name)
            try:
                os.makedirs(path, 0o700)
            except OSError as error:
                if error.errno != errno.EEXIST or not os.path.isdir(path):
                    raise
        with open(probe, "w") as stream:
            stream.write("x")
        os.remove(probe)
    except (IOError, OSError) as error:
        return "%s: %s" % (getattr(error, "filename", None) or workdir, error.strerror or error)
    return None


def existing(path):
    """The nearest folder above that exists."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def look(workdir):
    """The reason why the work folder could not be made or written, without making it."""
    nearest = existing(workdir)
    if not os.path.isdir(nearest):
        return "%s: is no folder" % nearest
    return None if os.access(nearest, os.W_OK | os.X_OK) else "%s: not writable" % nearest


def disk_free_bytes(path):
    """Bytes that this user may still write."""
    try:
        stats = os.statvfs(existing(path))
        return stats.f_bavail * stats.f_frsize
    except OSError:
        return None


def names(path):
    """What lies in a folder under a digest; half-written parts and foreign files do not count."""
    try:
        return sorted(entry for entry in os.listdir(path) if entry.isalnum())
    except OSError:
        return []


def gather(settings):
    """All facts. ``settings``: workdir, and prepare (default true)."""
    workdir = os.path.abspath(os.path.expanduser(settings.get("workdir") or "~/.cache/edge-orchestrator"))
    trouble = prepare(workdir) if settings.get("prepare", True) else look(workdir)
    meminfo, cpuinfo = read("/proc/meminfo"), read("/proc/cpuinfo")
    available = memory_bytes(meminfo, "MemAvailable")
    return {
        "python": list(sys.version_info[:3]),
        "python_implementation": platform.python_implementation(),
        "home": os.path.expanduser("~"),
        "workdir": workdir,
        "workdir_error": trouble,
        "arch": platform.machine(),
        "bits": 64 if sys.maxsize > 2**32 else 32,
        "libc": libc(),
        "kernel": platform.release(),
        "os": keyed(read("/etc/os-release"), "=", "PRETTY_NAME") or platform.system(),
        "cpu_model": cpu_model(cpuinfo),
        "cores": cores(),
        "memory_bytes": memory_bytes(meminfo, "MemTotal"),
        "available_memory_bytes": available if available is not None else memory_bytes(meminfo, "MemFree"),
        "disk_free_bytes": disk_free_bytes(workdir),
        "device_tree_model": read("/proc/device-tree/model"),
        "boot_id": read("/proc/sys/kernel/random/boot_id"),
        "hostname": platform.node(),
        "uid": os.getuid(),
        "governor": read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "power_mode": power_mode(),
        "isolated_cpus": read("/sys/devices/system/cpu/isolated") or None,
        "firmware": firmware(),
        "serial": serial(),
        "blobs": names(os.path.join(workdir, "blobs")),
        "envs": names(os.path.join(workdir, "envs")),
    }


def main(settings):
    """Print the line; the sentinel tells it from a login banner."""
    sys.stdout.write("\n%s %s\n" % (SENTINEL, json.dumps(gather(settings))))
    sys.stdout.flush()
