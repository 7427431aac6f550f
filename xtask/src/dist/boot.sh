#!/bin/bash
# Runs last when a minimal Debian with systemd is booted to try the package: installs it, runs both units as an administrator
# would, and takes it away. `boot.rs` reads what it says.
exec > /dev/console 2>&1
failed=0

is() { # NAME WHAT-IS WHAT-SHOULD-BE
    if [ "$2" = "$3" ]; then echo "ok      $1"; else echo "FAILED  $1: \"$2\" instead of \"$3\""; failed=$((failed + 1)); fi
}
of() { systemctl show --value --property "$2" "$1"; }
within() { # SECONDS COMMAND...: whether it succeeds in this time
    local end=$((SECONDS + $1)); shift
    until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 1; done
}
active() { [ "$(systemctl is-active "$1")" = active ]; }
another() { [ "$(of kpulse-agent MainPID)" != "$1" ] && active kpulse-agent; }
get() { exec 3<> "/dev/tcp/127.0.0.1/$1" && printf 'GET %s HTTP/1.0\r\n\r\n' "$2" >&3 && cat <&3; }
has() { get "$1" "$2" | grep -q "$3"; }

dpkg --install /kpulse.deb; is "the package installs" $? 0
systemctl enable --now kpulse-agent; is "the agent starts and says so" $? 0
pid=$(of kpulse-agent MainPID)
is "it is its own user" "$(stat -c %U "/proc/$pid")" kpulse
is "it holds no capability" "$(sed -n 's/^CapPrm:\t//p' "/proc/$pid/status")" 0000000000000000
for probe in sched block tasks events; do
    within 60 has 9466 /metrics "^kpulse_probe_state{probe=\"$probe\",reason=\"\"} 1"; is "the probe $probe is on" $? 0
done
within 60 has 9466 /metrics '^kpulse_budget_timed_share{by="programs"}'; is "its programs time themselves" $? 0
systemctl reload kpulse-agent; is "it reloads" "$? $(of kpulse-agent MainPID)" "0 $pid"
kill -KILL "$pid"; within 300 another "$pid"; is "killed, it comes back" "$? $(of kpulse-agent NRestarts)" "0 1"
pid=$(of kpulse-agent MainPID)
kill -STOP "$pid"; within 300 another "$pid"; is "without a sign of life, it is begun anew" "$? $(of kpulse-agent NRestarts)" "0 2"
systemctl stop kpulse-agent; is "it stops" "$? $(of kpulse-agent Result)" "0 success"

: > /etc/kpulse/server.toml
systemctl enable --now kpulse-server; is "the server starts and says so" $? 0
within 60 has 9467 /metrics '^kpulse_fleet_'; is "it answers" $? 0
systemctl reload kpulse-server; is "it reloads" $? 0
systemctl stop kpulse-server; is "it stops" "$? $(of kpulse-server Result)" "0 success"

systemctl start kpulse-agent kpulse-server
dpkg --purge kpulse; is "the package goes while both run" $? 0
is "no process is left" "$(grep -l '^kpulse' /proc/[0-9]*/comm 2> /dev/null)" ""
[ $failed = 0 ] || journalctl --no-pager --unit kpulse-agent --unit kpulse-server
echo "INIT-EXIT $failed"
systemctl poweroff --force
