package raftstore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
)

// A connection between nodes begins with the caller's hello:
//
//	"DRWN" | version 1 | purpose 1 | cluster 16 | length 1, caller's name | length 1, name of the node called | votes 1
//
// and the answer, one byte: 0 is yes; else its length, and why not.
const (
	helloMagic   = "DRWN"
	helloVersion = 1
)

// What a connection is for.
const (
	purposeRaft   = 'R' // raft's own messages
	purposeAsking = 'A' // requests between nodes, many at a time
)

type hello struct {
	purpose byte
	cluster [16]byte // the log's name; zero before the node knows it
	from    string
	to      string // "" is whoever answers there
	votes   bool   // the caller counts the vote of the node called
}

func (h *hello) encode() []byte {
	b := append([]byte(helloMagic), helloVersion, h.purpose)
	b = append(b, h.cluster[:]...)
	b = append(append(b, byte(len(h.from))), h.from...)
	b = append(append(b, byte(len(h.to))), h.to...)
	if h.votes {
		return append(b, 1)
	}
	return append(b, 0)
}

func readHello(r io.Reader) (h hello, err error) {
	var head [4 + 2 + 16]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return h, err
	}
	if string(head[:4]) != helloMagic {
		return h, errors.New("this is not a node of drawdown")
	}
	if head[4] != helloVersion {
		return h, fmt.Errorf("it speaks version %d between nodes, this program speaks %d", head[4], helloVersion)
	}
	h.purpose = head[5]
	copy(h.cluster[:], head[6:])
	if h.from, err = readShort(r); err != nil {
		return h, err
	}
	if h.to, err = readShort(r); err != nil {
		return h, err
	}
	var votes [1]byte
	_, err = io.ReadFull(r, votes[:])
	h.votes = votes[0] == 1
	return h, err
}

// readShort reads a text of up to 255 bytes behind its length.
func readShort(r io.Reader) (string, error) {
	var length [1]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return "", err
	}
	text := make([]byte, length[0])
	_, err := io.ReadFull(r, text)
	return string(text), err
}

// answerHello says yes to nil, and else why not.
func answerHello(w io.Writer, refusal error) error {
	text := ""
	if refusal != nil {
		text = refusal.Error()
		text = text[:min(len(text), 255)]
	}
	_, err := w.Write(append([]byte{byte(len(text))}, text...))
	return err
}

func readAnswer(r io.Reader) error {
	why, err := readShort(r)
	if err == nil && why != "" {
		err = fmt.Errorf("refused: %s", why)
	}
	return err
}

// judge decides whether this node talks to the caller. A connection is judged when it
// comes in, and again when this node has learned more (mesh.rejudge).
//
// A caller that is not in the configuration may know a newer one, of which this
// node has not heard and which perhaps only that caller can bring. That it names
// the same log (128 random bits) is enough to be heard: raft's own rules decide about
// votes and terms.
func (s *Store) judge(h *hello) error {
	switch {
	case h.purpose != purposeRaft && h.purpose != purposeAsking:
		return fmt.Errorf("unknown purpose %q", h.purpose)
	case h.to != "" && h.to != s.dir.node:
		return fmt.Errorf("this is node %q, not %q", s.dir.node, h.to)
	case checkName(h.from) != nil:
		return checkName(h.from)
	case h.from == s.dir.node:
		return fmt.Errorf("another node calls itself %q, like this one", h.from)
	}
	mine, unknown := s.clusterName(), [16]byte{}
	same := h.cluster != unknown && h.cluster == mine
	if h.cluster != unknown && mine != unknown && !same {
		return fmt.Errorf("this node belongs to cluster %s, the caller to %s", hex.EncodeToString(mine[:]), hex.EncodeToString(h.cluster[:]))
	}
	if h.purpose == purposeRaft {
		if err := s.hears(h); err != nil {
			return err
		}
	}
	if same {
		return nil
	}
	return s.knows(h.from)
}

// hears refuses raft's messages while they could only wait, and ends a node that has
// lost its data.
func (s *Store) hears(h *hello) error {
	if h.votes {
		if err := s.checkNotLost(); err != nil {
			return err
		}
	}
	switch {
	case s.up.Load() == nil:
		return errors.New("the node is starting") // and does not know its members yet
	case s.ctx.Err() != nil:
		return errors.New("the node stops")
	}
	return nil
}

// knows judges by the name alone, where one of the two does not know its cluster's.
func (s *Store) knows(node string) error {
	servers := s.members()
	if len(servers) == 0 {
		return nil // waits to be added, or is starting; then it only tells how far it is
	}
	for _, server := range servers {
		if string(server.ID) == node {
			return nil
		}
	}
	return fmt.Errorf("node %q is no member of this cluster", node)
}

// checkNotLost ends a node that is empty, and whose vote others count: it gets its
// vote when it has caught up, so that it has lost what it had.
func (s *Store) checkNotLost() error {
	last, err := s.wal.LastIndex()
	if err != nil || last > 0 || s.snapshots.newest() != nil {
		return err
	}
	s.fatal(s.lostData())
	return errors.New("this node has lost its data and must not come back under its name")
}

// lostData says what has happened to a node that is empty and should not be.
func (s *Store) lostData() error {
	return fmt.Errorf("%s is empty, but node %q has been running in this cluster: it has lost its data, and must not come back "+
		"under its name, for it may have voted and acknowledged under it. Remedy: on another node, `drawdown cluster remove %s`, "+
		"then start this one under a new name without --peers, and `drawdown cluster add` it", s.dir.path, s.dir.node, s.dir.node)
}

// clusterName is the log's random name, zero before it is known: what FORMAT says, for
// the engine may have to carry out the log first.
func (s *Store) clusterName() (name [16]byte) {
	if name = s.dir.clusterName(); name != [16]byte{} {
		return name
	}
	if e := s.live.Load(); e != nil {
		name, _ = e.Cluster()
	}
	return name
}

// noteCluster notes the log's name once the engine knows it, and judges the open
// connections by it. An engine of another name than the one noted is an error.
func (s *Store) noteCluster() error {
	e := s.live.Load()
	if e == nil {
		return nil
	}
	name, known := e.Cluster()
	if noted := s.dir.clusterName(); !known || name == noted {
		return nil
	} else if noted != [16]byte{} {
		return &DamagedError{s.dir.path, fmt.Sprintf("the state is of cluster %x, FORMAT names cluster %x: "+
			"directories of two nodes were mixed", name, noted), remedyRejoin}
	}
	if err := s.dir.setCluster(name); err != nil {
		return err
	}
	s.mesh.rejudge()
	return nil
}
