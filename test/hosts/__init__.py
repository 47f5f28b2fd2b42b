"""Real hosts on one machine: each with systemd as PID 1, an address, a root file system and a machine-id of its own.

Reading order: debian.py (a system of a release, also to build and test in), image.py (what each host starts from), cage.py (one process that takes everything with it when it ends),
network.py and wire.py (cables, and what goes wrong with them), cgroups.py, host.py (boot, reboot, power cut, freeze),
disk.py (small disks, full disks, disks that lose power), repository.py (packages to install), leftovers.py (what a run must not leave), google.py (a cloud to ask for hosts),
playbook.py (Ansible as the operator runs it), cluster.py (all of it, with ecbak on top: what the tests hosts_*.py use).
"""
