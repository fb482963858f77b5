package raftstore

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// watchDisk refuses writes while the disk is nearly full. A full disk ends the
// process, for a log that cannot be written cannot be trusted; turning writers
// away early leaves room to take a snapshot, which is what makes space.
func (s *Store) watchDisk() {
	tick := time.NewTicker(diskCheckEvery)
	defer tick.Stop()
	for {
		s.checkDisk()
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Store) checkDisk() {
	usage, err := s.o.FS.GetDiskUsage(s.o.Dir)
	if err != nil {
		if !errors.Is(err, vfs.ErrUnsupported) && !s.diskUnknown {
			s.diskUnknown = true
			s.log.Warn("the free space on the disk cannot be told; writes are not limited by it", "error", err)
		}
		return
	}
	reserve := s.o.DiskReserve + 2*uint64(s.snapshots.newestBytes())
	s.diskFree.Store(usage.AvailBytes)
	full := usage.AvailBytes < reserve
	if full != s.diskFull.Swap(full) {
		s.log.Warn("free space on the disk", "writes refused", full, "free bytes", usage.AvailBytes, "reserve bytes", reserve)
	}
}
