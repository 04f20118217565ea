"""The files by which a board's kernel says what it is: those of /proc and /sys as vendors' images have them."""

from __future__ import annotations

from pathlib import Path

# Of Rockchip's kernels 5.10 and 6.1: the NPU's address and its highest clock in MHz, the processor's clusters by their
# first core with theirs, the thermal zones.
NPUS = {"rk3562": "ff300000", "rk3566": "fde40000", "rk3568": "fde40000", "rk3576": "27700000", "rk3588": "fdab0000"}
HIGHEST = {"rk3562": 1000, "rk3566": 900, "rk3568": 1000, "rk3576": 950, "rk3588": 1000}
CLUSTERS = {"rk3576": {0: 2208, 4: 2304}, "rk3588": {0: 1800, 4: 2256, 6: 2256}}
ONE_CLUSTER = {0: 1800}
ZONES = ("soc-thermal", "gpu-thermal")
ZONES_OF_RK3588 = ("soc-thermal", "bigcore0-thermal", "gpu-thermal", "npu-thermal")
# What a stranger must not see, though the kernel tells it.
PRIVATE = {
    "etc/hostname": "alices-kitchen\n",
    "proc/sys/kernel/hostname": "alices-kitchen\n",
    "proc/device-tree/serial-number": "c3d9b8674f4b94f6\0",
    "proc/cpuinfo": "Serial\t\t: c3d9b8674f4b94f6\n",
    "sys/class/net/eth0/address": "02:81:4f:b9:11:d6\n",
    "etc/machine-id": "b08dfa6083e7567a1921a715000001fb\n",
}


def write(root: Path, path: str, content: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(content)


def machine(root: Path, soc: str = "rk3588", board: str = "xunlong,orangepi-5") -> Path:
    """A board's files below ``root``."""
    npu, most = f"sys/class/devfreq/{NPUS[soc]}.npu", HIGHEST[soc] * 1_000_000
    write(root, "proc/device-tree/compatible", f"{board}\0rockchip,{soc}\0")
    write(root, "proc/sys/kernel/osrelease", "6.1.43-alices-own-kernel\n")
    write(root, "sys/module/rknpu/version", "0.9.8\n")
    write(root, "usr/lib/librknnrt.so", "\x7fELF\0librknnrt version: 2.3.2 (429f97ae6b@2025-04-09T09:09:27)\0")
    write(root, "proc/self/maps", "7f8a0000-7f8b0000 r-xp 00000000 b3:02 1234    /usr/lib/librknnrt.so\n")
    files = {"governor": "rknpu_ondemand", "cur_freq": most, "max_freq": most, "min_freq": 300_000_000}
    for name, value in {**files, "available_frequencies": f"300000000 600000000 {most} "}.items():
        write(root, f"{npu}/{name}", f"{value}\n")
    files = {"governor": "dmc_ondemand", "cur_freq": 1_560_000_000, "max_freq": 0}
    for name, value in {**files, "available_frequencies": "528000000 1560000000 2112000000"}.items():
        write(root, f"sys/class/devfreq/dmc/{name}", f"{value}\n")
    write(root, "sys/class/devfreq/fb000000.gpu/cur_freq", "300000000\n")
    for core, mhz in CLUSTERS.get(soc, ONE_CLUSTER).items():
        files = {"scaling_governor": "ondemand", "scaling_cur_freq": mhz * 500, "cpuinfo_max_freq": mhz * 1000}
        for name, value in files.items():
            write(root, f"sys/devices/system/cpu/cpufreq/policy{core}/{name}", f"{value}\n")
    for number, zone in enumerate(ZONES_OF_RK3588 if soc == "rk3588" else ZONES):
        write(root, f"sys/class/thermal/thermal_zone{number}/type", f"{zone}\n")
        write(root, f"sys/class/thermal/thermal_zone{number}/temp", f"{41_250 + number * 1000}\n")
    for path, content in PRIVATE.items():
        write(root, path, content)
    return root
