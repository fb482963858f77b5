package ledger

import (
	"bytes"
	"testing"
)

// Whatever stands in an entry, Prepare takes it or refuses it, and what it took
// the books can carry out: nothing panics, I3 holds, and the state survives a
// snapshot.
func FuzzEntry(f *testing.F) {
	f.Add(goldenEntry(), false)
	f.Add(entryOf(1, testInit), false)
	e, _ := ReadEntry(goldenEntry())
	for {
		command, ok := e.Next()
		if !ok {
			break
		}
		f.Add(bytes.Clone(command), true)
	}
	for _, s := range newScenario(1, true).steps(20)[1:] {
		f.Add(entryOf(s.at, s.commands...), false)
	}
	snapshot := small(f, 2).snapshot()
	f.Fuzz(func(t *testing.T, data []byte, command bool) {
		if command { // data is one command, the entry around it is sound
			data = AppendCommand(AppendEntry(nil, epoch*nanosPerSecond, 1), data)
		}
		d := mustRestore(t, snapshot, 2, newIdentifierStore())
		before := d.machine.Head
		results, err := d.tryApply(data)
		if err != nil {
			return
		}
		if h := d.machine.Head; h.Index != before.Index+1 || h.Chain == before.Chain {
			t.Fatalf("head %+v after %+v", h, before)
		}
		for _, r := range results {
			if r.Code >= codeEnd {
				t.Fatalf("verdict %d", r.Code)
			}
		}
		if err := sameState(d, mustRestore(t, d.snapshot(), 3, d.ids)); err != nil {
			t.Fatal(err)
		}
	})
}

// What decodes as a command has exactly one encoding: its own.
func FuzzCommand(f *testing.F) {
	e, _ := ReadEntry(goldenEntry())
	for {
		command, ok := e.Next()
		if !ok {
			break
		}
		f.Add(bytes.Clone(command))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := decodeCommand(data)
		if err != nil {
			return
		}
		if again := c.appendTo(nil); !bytes.Equal(again, data) {
			t.Fatalf("%x is %+v, which is written %x", data, c, again)
		}
	})
}

// What decodes as a record has exactly one encoding: its own.
func FuzzRecord(f *testing.F) {
	d := small(f, 1)
	for account := uint32(1); account <= 4; account++ {
		for _, rec := range d.records[account] {
			f.Add(appendRecord(nil, rec.time, rec.event, rec.rows))
		}
	}
	f.Add([]byte{recordVersion, 0, 1, byte(RowConsumption) | rowOwn, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		const seq, time = 7, epoch * nanosPerSecond
		var r RecordReader
		if r.Read(data, seq, time) != nil {
			return
		}
		var rows []Row
		var row Row
		for r.Next(&row) {
			rows = append(rows, row)
		}
		if r.Err() != nil {
			return
		}
		if len(rows) != r.RowCount {
			t.Fatalf("%d rows of %d without an error", len(rows), r.RowCount)
		}
		if r.Event != nil {
			_ = r.Event.Identifier()
		}
		if again := appendRecord(nil, time, r.Event, rows); !bytes.Equal(again, data) {
			t.Fatalf("%x is written again as %x", data, again)
		}
	})
}

// Whatever stands in a snapshot, Restore refuses it or comes to a state that holds
// I3 and whose own snapshot restores to the same.
func FuzzSnapshot(f *testing.F) {
	join := func(chunks [][]byte) (data []byte) {
		for _, chunk := range chunks {
			data = appendBytes(data, chunk)
		}
		return data
	}
	f.Add(join(newDriver(f, 1).snapshot()))
	f.Add(join(small(f, 1).snapshot()))
	f.Fuzz(func(t *testing.T, data []byte) {
		var chunks [][]byte
		for r := (reader{b: data}); len(r.b) > 0; {
			chunks = append(chunks, r.bytes())
		}
		d, err := restore(t, chunks, 2, newIdentifierStore())
		if err != nil {
			return
		}
		if err := d.checkAll(); err != nil {
			t.Fatal(err)
		}
		again := d.snapshot()
		if err := sameState(d, mustRestore(t, again, 3, newIdentifierStore())); err != nil {
			t.Fatal(err)
		}
	})
}
