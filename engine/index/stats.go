package index

// Stats are the index's figures at one moment, for metrics.
type Stats struct {
	Identifiers uint64 // in memory and in the store; one that stands in two runs counts twice
	Records     uint64 // in memory and in the store
	Runs        int    // in the store
	SealedRuns  int    // closed, not yet flushed
	MemoryBytes uint64 // in use by the memory run and the sealed ones
	LagBatches  uint64 // batches applied and not yet durable
	LagRecords  uint64 // records applied and not yet durable
	FilterBytes uint64 // of the filters of the runs in the store
	DiskBytes   uint64 // Pebble's files
}

// Stats returns the current figures. After Close or a fatal error they are zero.
func (x *Index) Stats() Stats {
	v, err := x.acquireNow()
	if err != nil {
		return Stats{}
	}
	defer x.release(v)
	s := Stats{Runs: len(v.runs), SealedRuns: len(v.sealed), DiskBytes: x.db.Metrics().DiskSpaceUsage()}
	for _, r := range v.runs {
		s.Identifiers += r.identifiers
		s.Records += r.records
		s.FilterBytes += uint64(r.identifierFilter.bytes() + r.accountFilter.bytes())
	}
	for _, m := range append(v.sealed[:len(v.sealed):len(v.sealed)], v.mem) {
		m.mu.RLock()
		s.LagBatches += m.batches
		s.LagRecords += uint64(m.count)
		m.mu.RUnlock()
		s.MemoryBytes += uint64(m.used.Load())
		s.Identifiers += uint64(m.ids.Load())
	}
	s.Records += s.LagRecords
	return s
}
