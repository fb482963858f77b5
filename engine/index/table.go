package index

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// diskRun is one run in the store, and what of it is kept in memory.
type diskRun struct {
	id uint64
	meta
	identifierFilter filter
	accountFilter    filter

	refs int // views that refer to the run; guarded by Index.mu
}

// yieldEvery is after how many rows the background lets others run. Go takes a processor from a goroutine only
// every 10 ms, and an entry waits for one at each of its steps.
const yieldEvery = 16

// runWriter writes one run's rows into SSTs, section by section in the order of their numbers. Building from
// memory and merging both go through it, so there is one place that knows how a run is laid out.
type runWriter struct {
	x   *Index
	run *diskRun

	table   *sstable.Writer
	written int // bytes in the open table
	sets    int
	paths   []string

	key, value []byte
	chunk      chunkBuilder
	account    uint32 // of the chunk
	lastSeq    uint64 // of the account's last record
	inAccount  bool
	accounts   []uint32 // all that have records, ascending
	places     []Place
	bucket     []identifier
}

// newRunWriter begins run id, which will hold at most the given number of identifiers.
func (x *Index) newRunWriter(id, identifiers uint64) *runWriter {
	r := &diskRun{id: id, meta: meta{version: formatVersion}, identifierFilter: newFilter(int(identifiers))}
	return &runWriter{x: x, run: r}
}

// set writes w.key and w.value, which must come in ascending order of keys.
func (w *runWriter) set() error {
	if w.table == nil {
		if err := w.openTable(fmt.Sprintf("run-%d-%d.sst", w.run.id, len(w.paths))); err != nil {
			return err
		}
	}
	if w.sets++; w.sets%yieldEvery == 0 {
		runtime.Gosched()
	}
	w.written += len(w.key) + len(w.value)
	if err := w.table.Set(w.key, w.value); err != nil {
		return err
	}
	if w.written < w.x.options.tableBytes {
		return nil
	}
	return w.closeTable()
}

func (w *runWriter) openTable(name string) error {
	if w.x.stopped() {
		return ErrClosed
	}
	fs := w.x.options.FS
	path := fs.PathJoin(w.x.dir, buildDir, name)
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	w.table = sstable.NewWriter(&bufferedFile{file: f}, w.x.tableOptions())
	w.paths = append(w.paths, path)
	w.written = 0
	return nil
}

func (w *runWriter) closeTable() error {
	if w.table == nil {
		return nil
	}
	t := w.table
	w.table = nil
	return t.Close()
}

// addRecord appends a record to the history section: accounts ascending, Seqs ascending within one.
func (w *runWriter) addRecord(account uint32, seq uint64, time int64, data []byte) error {
	if err := w.enterAccount(account, seq); err != nil {
		return err
	}
	w.chunk.add(seq, time, data)
	w.lastSeq = seq
	w.count(1, len(data), seq, seq)
	if w.chunk.full() {
		return w.closeChunk()
	}
	return nil
}

// addChunk appends a whole chunk as it is, when there is no begun one it would have to wait for.
func (w *runWriter) addChunk(account uint32, h chunkHeader, dataBytes int, value []byte) error {
	if err := w.enterAccount(account, h.firstSeq); err != nil {
		return err
	}
	if err := w.closeChunk(); err != nil {
		return err
	}
	w.lastSeq = h.lastSeq
	w.count(h.count, dataBytes, h.firstSeq, h.lastSeq)
	w.key = appendHistoryKey(w.key[:0], w.run.id, account, h.firstSeq)
	w.value = append(w.value[:0], value...)
	return w.set()
}

// count adds records with Seqs from low to high to the run's description.
func (w *runWriter) count(records, bytes int, low, high uint64) {
	m := &w.run.meta
	if m.records == 0 {
		m.minSeq, m.maxSeq = low, high
	}
	m.minSeq, m.maxSeq = min(m.minSeq, low), max(m.maxSeq, high)
	m.records += uint64(records)
	m.bytes += uint64(bytes)
}

func (w *runWriter) enterAccount(account uint32, seq uint64) error {
	if w.inAccount && account == w.account {
		if seq <= w.lastSeq {
			return fmt.Errorf("account %d: record %d after %d", account, seq, w.lastSeq)
		}
		return nil
	}
	if w.inAccount && account < w.account {
		return fmt.Errorf("account %d after account %d", account, w.account)
	}
	if err := w.closeChunk(); err != nil {
		return err
	}
	w.account, w.inAccount = account, true
	w.accounts = append(w.accounts, account)
	return nil
}

func (w *runWriter) closeChunk() error {
	if len(w.chunk.rows) == 0 {
		return nil
	}
	w.key = appendHistoryKey(w.key[:0], w.run.id, w.account, w.chunk.rows[0].seq)
	w.value = w.chunk.appendTo(w.value[:0])
	w.chunk.reset()
	return w.set()
}

// addPlace appends to the order section: ascending by (Seq, Account). The history section must be complete.
func (w *runWriter) addPlace(p Place) error {
	w.places = append(w.places, p)
	if len(w.places) < orderPlaces {
		return nil
	}
	return w.closeOrder()
}

func (w *runWriter) closeOrder() error {
	if len(w.places) == 0 {
		return nil
	}
	w.key = appendOrderKey(w.key[:0], w.run.id, w.places[0])
	w.value = appendOrder(w.value[:0], w.places)
	w.places = w.places[:0]
	return w.set()
}

// addIdentifier appends to the identifier section: ascending by fingerprint, without repeats. The order section
// must be complete.
func (w *runWriter) addIdentifier(id identifier) error {
	w.run.identifiers++
	w.run.identifierFilter.add(id.hash())
	w.bucket = append(w.bucket, id)
	if len(w.bucket) < bucketEntries {
		return nil
	}
	return w.closeBucket()
}

func (w *runWriter) closeBucket() error {
	if len(w.bucket) == 0 {
		return nil
	}
	w.key = appendIdentifierKey(w.key[:0], w.run.id, w.bucket[0].digest)
	w.value = appendBucket(w.value[:0], w.bucket)
	w.bucket = w.bucket[:0]
	return w.set()
}

// finish writes the filters and the description, and closes the tables. The run holds the batches after after up
// to last.
func (w *runWriter) finish(after, last uint64) (*diskRun, []string, error) {
	r := w.run
	r.after, r.last, r.accounts = after, last, uint64(len(w.accounts))
	r.accountFilter = newFilter(len(w.accounts))
	for _, a := range w.accounts {
		r.accountFilter.add(accountHash(a))
	}
	if r.identifiers == 0 {
		r.identifierFilter = filter{}
	}
	if err := w.writeFilter(sectionFilter, &r.identifierFilter); err != nil {
		return nil, nil, err
	}
	if err := w.writeFilter(sectionAccountFilter, &r.accountFilter); err != nil {
		return nil, nil, err
	}
	w.key = appendRunPrefix(w.key[:0], r.id, sectionMeta)
	w.value = r.meta.appendTo(w.value[:0])
	if err := w.set(); err != nil {
		return nil, nil, err
	}
	if err := w.closeTable(); err != nil {
		return nil, nil, err
	}
	return r, w.paths, nil
}

func (w *runWriter) writeFilter(s section, f *filter) error {
	data := f.appendTo(nil)
	for part := uint32(0); len(data) > 0; part++ {
		n := min(len(data), filterPart)
		w.key = appendPartKey(w.key[:0], w.run.id, s, part)
		w.value = append(w.value[:0], data[:n]...)
		if err := w.set(); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// abort gives up the run. Finished and unfinished tables are removed; what stays is removed by the next Open.
func (w *runWriter) abort() {
	_ = w.closeTable() // the table is thrown away; its error says nothing of use
	for _, path := range w.paths {
		_ = w.x.options.FS.Remove(path)
	}
}

// bufferedFile hands an SST's bytes to the file in large pieces: a system call per block of 16 KiB costs three
// times as much.
type bufferedFile struct {
	file   vfs.File
	buffer *[]byte // from buffers, until Finish or Abort
}

const bufferBytes = 1 << 20

var buffers = sync.Pool{New: func() any {
	b := make([]byte, 0, bufferBytes)
	return &b
}}

// Write implements objstorage.Writable.
func (f *bufferedFile) Write(p []byte) error {
	if f.buffer == nil {
		f.buffer = buffers.Get().(*[]byte)
	}
	if len(*f.buffer)+len(p) > bufferBytes {
		if err := f.flush(); err != nil {
			return err
		}
	}
	*f.buffer = append(*f.buffer, p...)
	return nil
}

func (f *bufferedFile) flush() error {
	if f.buffer == nil {
		return nil
	}
	_, err := f.file.Write(*f.buffer)
	*f.buffer = (*f.buffer)[:0]
	return err
}

func (f *bufferedFile) giveBack() {
	if f.buffer != nil {
		*f.buffer = (*f.buffer)[:0]
		buffers.Put(f.buffer)
		f.buffer = nil
	}
}

// Finish implements objstorage.Writable: on return the file is durable, its directory entry is not.
func (f *bufferedFile) Finish() error {
	err := f.flush()
	f.giveBack()
	if err == nil {
		err = f.file.Sync()
	}
	if closeErr := f.file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// Abort implements objstorage.Writable.
func (f *bufferedFile) Abort() {
	f.giveBack()
	_ = f.file.Close() // what is in it is given up
}
