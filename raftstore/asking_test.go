package raftstore

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"
)

// TestAnnouncedFramesCostNothing: connections that announce large frames and send nothing
// of them take up places, which are bounded, and no memory (I12).
func TestAnnouncedFramesCostNothing(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	l, f := c.leader(), c.followers()[0]
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 20 {
		conn, err := f.mesh.dial(t.Context(), string(l.net.LocalAddr()), l.dir.node, purposeAsking)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		ahead := binary.LittleEndian.AppendUint32(nil, framePayloadMax)
		if _, err := conn.Write(append(ahead, 0, 0, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the frames are announced", func() bool {
		l.asked.mu.Lock()
		defer l.asked.mu.Unlock()
		return l.asked.bytes > askedBytes-framePayloadMax
	})
	runtime.ReadMemStats(&after)
	// A connection has two buffers of 64 KiB and a queue of answers.
	if more := int64(after.HeapAlloc) - int64(before.HeapAlloc); more > 20<<20 {
		t.Errorf("20 announced frames cost %d MiB", more>>20)
	}
}

// TestRequestWithoutRoomIsTurnedAway, however large it is, and the connection goes on.
func TestRequestWithoutRoomIsTurnedAway(t *testing.T) {
	c := newTrio(t)
	c.start(nil, "n1", "n2", "n3")
	l, f := c.leader(), c.followers()[0]
	conn, err := f.mesh.dial(t.Context(), string(l.net.LocalAddr()), l.dir.node, purposeAsking)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	eventually(t, "all the room is taken", func() bool { return l.asked.take(askedBytes) })
	ask := func(number uint64, payload []byte) byte {
		if _, err := conn.Write(appendFrame(nil, &frame{number: number, kind: frameStatus, payload: payload})); err != nil {
			t.Fatal(err)
		}
		got, err := readFrame(conn)
		if err != nil || got.number != number || len(got.payload) == 0 {
			t.Fatalf("%+v %v", got, err)
		}
		return got.payload[0]
	}
	if class := ask(1, make([]byte, 1<<20)); class != answerOverloaded {
		t.Fatal(class)
	}
	l.asked.give(askedBytes)
	if class := ask(2, nil); class != answerOK {
		t.Fatal(class)
	}
}
