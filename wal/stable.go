package wal

import (
	"encoding/binary"
	"maps"
	"slices"
)

const stableMagic = "DRWDSTB\n"

// The stable store keeps a handful of small values, raft's term and vote above all. Each Set replaces the whole file
// durably. A vote forgotten or rolled back lets two leaders be elected in one term, which is why there is one file that is
// either whole or damaged, and no older copy to fall back on in silence.

// Set stores a copy of val under a copy of key and returns once it is durable. raft writes term and candidate in two
// calls, in this order; a crash between them leaves a vote of an older term, which binds nobody.
func (l *Log) Set(key, val []byte) error {
	l.stableMu.Lock()
	defer l.stableMu.Unlock()
	if err := l.usable(); err != nil {
		return err
	}
	changed := maps.Clone(l.stable)
	changed[string(key)] = slices.Clone(val)
	l.stableClock.begin()
	err := replaceFile(l.fs, l.dir, stableName, encodeStable(l.id, changed))
	l.stableClock.end()
	if err != nil {
		return l.poison(err)
	}
	if err := l.usable(); err != nil {
		return err
	}
	l.stable = changed
	return nil
}

// Get returns a copy of the value under key, or ErrKeyNotFound.
func (l *Log) Get(key []byte) ([]byte, error) {
	l.stableMu.Lock()
	defer l.stableMu.Unlock()
	if err := l.usable(); err != nil {
		return nil, err
	}
	val, ok := l.stable[string(key)]
	if !ok {
		return nil, ErrKeyNotFound
	}
	return slices.Clone(val), nil
}

// SetUint64 is Set with a number of eight bytes.
func (l *Log) SetUint64(key []byte, val uint64) error {
	return l.Set(key, binary.LittleEndian.AppendUint64(nil, val))
}

// GetUint64 returns the number under key, or 0 and ErrKeyNotFound.
func (l *Log) GetUint64(key []byte) (uint64, error) {
	val, err := l.Get(key)
	if err != nil {
		return 0, err
	}
	if len(val) != 8 {
		return 0, errNotNumber
	}
	return binary.LittleEndian.Uint64(val), nil
}

// encodeStable writes the keys in order, each as key length 4, value length 4, key, value.
func encodeStable(id logID, values map[string][]byte) []byte {
	var b []byte
	for _, key := range slices.Sorted(maps.Keys(values)) {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(key)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(values[key])))
		b = append(b, key...)
		b = append(b, values[key]...)
	}
	return sealFile(stableMagic, id, b)
}

func decodeStable(path string, b []byte) (id logID, values map[string][]byte, err error) {
	id, body, err := openSealed(path, stableMagic, b, CaseStableDamaged)
	if err != nil {
		return id, nil, err
	}
	values = make(map[string][]byte)
	for len(body) > 0 {
		if len(body) < 8 {
			return id, nil, corrupt(path, int64(len(b)-len(body)), CaseStableDamaged, "a key is cut off")
		}
		key, val := uint64(binary.LittleEndian.Uint32(body)), uint64(binary.LittleEndian.Uint32(body[4:]))
		if 8+key+val > uint64(len(body)) {
			return id, nil, corrupt(path, int64(len(b)-len(body)), CaseStableDamaged, "a value is cut off")
		}
		values[string(body[8:8+key])] = slices.Clone(body[8+key : 8+key+val])
		body = body[8+key+val:]
	}
	return id, values, nil
}
