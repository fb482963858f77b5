package raftstore

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"path"
	"strings"

	"github.com/hashicorp/raft"

	"drawdown/engine/ledger"
)

// Names in a snapshot's directory.
const (
	manifestName = "MANIFEST"
	stateName    = "state"
	indexName    = "index"
)

const (
	manifestTitle   = "drawdown snapshot"
	manifestVersion = 1
)

// manifest describes one snapshot. It is written last.
type manifest struct {
	Index uint64 `json:"index"` // in raft's log; the head's may be lower
	Term  uint64 `json:"term"`
	// Configuration is raft's encoding of the cluster's members.
	Configuration      []byte         `json:"configuration"`
	ConfigurationIndex uint64         `json:"configuration_index"`
	MetaVersion        int            `json:"meta_version"` // raft.SnapshotVersion
	Head               manifestHead   `json:"head"`
	Created            int64          `json:"created"` // Unix nanoseconds, this node's clock
	Files              []manifestFile `json:"files"`   // in order of their names
}

// manifestHead is where the engine stood.
type manifestHead struct {
	Index uint64 `json:"index"`
	Time  int64  `json:"time"`
	Seq   uint64 `json:"seq"`
	Chain uint64 `json:"chain"`
}

// manifestFile is a file of the snapshot. The large files of the index's copy
// have no checksum here: the index checks its own blocks when it reads them, and
// reading all of them for each snapshot would cost more than the snapshot.
type manifestFile struct {
	Name     string  `json:"name"` // relative to the snapshot's directory
	Bytes    int64   `json:"bytes"`
	Checksum *uint32 `json:"crc32c,omitempty"`
}

func headOf(h ledger.Head) manifestHead {
	return manifestHead{Index: h.Index, Time: h.Time, Seq: h.Seq, Chain: h.Chain}
}

func (m *manifest) id() string { return snapshotID(m.Term, m.Index) }

// file is the entry of that name, nil if there is none.
func (m *manifest) file(name string) *manifestFile {
	for i := range m.Files {
		if m.Files[i].Name == name {
			return &m.Files[i]
		}
	}
	return nil
}

// meta is the manifest in raft's words.
func (m *manifest) meta() (*raft.SnapshotMeta, error) {
	configuration, err := decodeConfiguration(m.Configuration)
	if err != nil {
		return nil, err
	}
	size, err := m.streamBytes()
	if err != nil {
		return nil, err
	}
	return &raft.SnapshotMeta{
		Version: raft.SnapshotVersion(m.MetaVersion), ID: m.id(), Index: m.Index, Term: m.Term,
		Configuration: configuration, ConfigurationIndex: m.ConfigurationIndex, Size: size,
	}, nil
}

// decodeConfiguration is raft's decoder without its panic.
func decodeConfiguration(b []byte) (c raft.Configuration, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the cluster's configuration cannot be read: %v", r)
		}
	}()
	return raft.DecodeConfiguration(b), nil
}

// title is the first line: what the file is, its version, and the checksum of all
// that follows the line.
func title(version int, body []byte) string {
	return fmt.Sprintf("%s %d %08x\n", manifestTitle, version, crc32.Checksum(body, castagnoli))
}

func (m *manifest) encode() ([]byte, error) {
	body, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	return append([]byte(title(manifestVersion, body)), body...), nil
}

// decodeManifest reads what encode made, and nothing else.
func decodeManifest(file string, content []byte) (*manifest, error) {
	damaged := func(format string, args ...any) (*manifest, error) {
		return nil, &DamagedError{file, fmt.Sprintf(format, args...), remedyRejoin}
	}
	line, body, _ := bytes.Cut(content, []byte("\n"))
	rest, ok := strings.CutPrefix(string(line), manifestTitle+" ")
	if !ok {
		return damaged("this is no snapshot's manifest")
	}
	var version int
	var sum uint32
	if _, err := fmt.Sscanf(rest, "%d %x", &version, &sum); err != nil {
		return damaged("the first line cannot be read")
	}
	if version > manifestVersion {
		return nil, &DamagedError{file, fmt.Sprintf("format version %d, this program reads up to %d", version, manifestVersion), remedyProgram}
	}
	if string(line)+"\n" != title(manifestVersion, body) {
		return damaged("the checksum does not match")
	}
	m := new(manifest)
	if err := json.Unmarshal(body, m); err != nil {
		return damaged("%v", err)
	}
	if state := m.file(stateName); state == nil || state.Checksum == nil {
		return damaged("it names no state file")
	}
	for _, f := range m.Files {
		if path.IsAbs(f.Name) || path.Clean(f.Name) != f.Name || strings.HasPrefix(f.Name, "..") {
			return damaged("it names %q, which is not in the snapshot", f.Name)
		}
	}
	if _, err := m.meta(); err != nil {
		return damaged("%v", err)
	}
	return m, nil
}

func snapshotID(term, index uint64) string { return fmt.Sprintf("%d-%d", term, index) }

// parseSnapshotID accepts exactly what snapshotID makes.
func parseSnapshotID(id string) (term, index uint64, ok bool) {
	if _, err := fmt.Sscanf(id, "%d-%d", &term, &index); err != nil {
		return 0, 0, false
	}
	return term, index, snapshotID(term, index) == id
}
