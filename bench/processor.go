package bench

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// clockTick is the unit of processor times in /proc, 100 a second on Linux.
const clockTick = time.Second / 100

// processorTimeOf is what a process and its children that live have used; 0 when
// there is no such process.
func processorTimeOf(pid int) (used time.Duration) {
	if pid == 0 {
		return 0
	}
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, process := range append(strings.Fields(string(children)), strconv.Itoa(pid)) {
		text, err := os.ReadFile("/proc/" + process + "/stat")
		if err != nil {
			continue // it has ended
		}
		// The name, in parentheses, may have spaces in it.
		end := strings.LastIndexByte(string(text), ')')
		fields := strings.Fields(string(text[end+1:]))
		if end < 0 || len(fields) < 13 {
			continue
		}
		for _, ticks := range fields[11:13] { // user, system
			n, _ := strconv.ParseInt(ticks, 10, 64)
			used += time.Duration(n) * clockTick
		}
	}
	return used
}

// How it is told that a system is at rest: it uses little of a core for a while.
const (
	restWindow  = 200 * time.Millisecond // at most a quarter of a measurement
	restShare   = 0.1
	restTimeout = 20 * time.Second
)

// awaitRest waits until a system has done what it does behind a load, so that this
// is not charged to the next one. After a time it goes on all the same.
func awaitRest(pid int, measurement time.Duration) {
	window := min(restWindow, measurement/4)
	last := processorTimeOf(pid)
	for deadline := time.Now().Add(restTimeout); time.Now().Before(deadline); {
		time.Sleep(window)
		now := processorTimeOf(pid)
		if float64(now-last) <= restShare*float64(window) {
			return
		}
		last = now
	}
}

// residentBytes is how much memory a process has in use (VmRSS).
func residentBytes(pid int) (uint64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, found := strings.Cut(string(text), "VmRSS:")
	fields := strings.Fields(rest)
	if !found || len(fields) == 0 {
		return 0, errors.New("/proc tells no VmRSS")
	}
	kib, err := strconv.ParseUint(fields[0], 10, 64)
	return kib << 10, err
}
