package raftstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
)

// Requests between nodes travel in frames, numbers little endian:
//
//	length 4 | CRC-32C 4 of all that follows | number 8 | kind 1 | time left 4, ms | payload
//
// The length is that of what follows the checksum. An answer bears the number of
// its request.
const (
	frameLead = 8
	frameHead = 13

	// framePayloadMax bounds a frame. The largest is a batch: a body of 8 MiB, and what
	// the encoding of 10,000 commands adds.
	framePayloadMax = 16 << 20

	// frameStep is by how much the memory of a frame grows while it comes in: what has
	// only been announced costs nothing (I12).
	frameStep = 64 << 10
)

// Kinds of frames.
const (
	frameAnswer byte = iota + 1
	framePing
	framePong
	frameSubmit
	frameRead
	frameStatus
	frameForming
	frameChain
	frameMembers
)

type frame struct {
	number  uint64
	kind    byte
	left    uint32 // milliseconds that the caller still waits
	payload []byte
}

// appendFrame appends all of the frame; the payload is copied.
func appendFrame(dst []byte, f *frame) []byte {
	start := len(dst)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(frameHead+len(f.payload)))
	dst = append(dst, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, f.number)
	dst = append(dst, f.kind)
	dst = binary.LittleEndian.AppendUint32(dst, f.left)
	dst = append(dst, f.payload...)
	binary.LittleEndian.PutUint32(dst[start+4:], crc32.Checksum(dst[start+frameLead:], castagnoli))
	return dst
}

// frameAhead is what stands in front of a frame.
type frameAhead struct {
	length int
	sum    uint32
}

func readAhead(r io.Reader) (a frameAhead, err error) {
	var lead [frameLead]byte
	if _, err := io.ReadFull(r, lead[:]); err != nil {
		return a, err
	}
	length := binary.LittleEndian.Uint32(lead[:])
	if length < frameHead || length > frameHead+framePayloadMax {
		return a, fmt.Errorf("a frame of %d bytes", length)
	}
	return frameAhead{int(length), binary.LittleEndian.Uint32(lead[4:])}, nil
}

// body reads the frame into memory of its own.
func (a frameAhead) body(r io.Reader) (f frame, err error) {
	body := make([]byte, 0, min(a.length, frameStep))
	for len(body) < a.length {
		body = slices.Grow(body, min(a.length-len(body), frameStep))
		next := body[len(body):min(a.length, cap(body))]
		if _, err := io.ReadFull(r, next); err != nil {
			return f, err
		}
		body = body[:len(body)+len(next)]
	}
	return a.parse(body, crc32.Checksum(body, castagnoli))
}

// skip reads the frame as body does, but keeps no payload.
func (a frameAhead) skip(r io.Reader) (f frame, err error) {
	var head [frameHead]byte
	sum := crc32.New(castagnoli)
	r = io.TeeReader(r, sum)
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return f, err
	}
	if _, err := io.CopyN(io.Discard, r, int64(a.length-frameHead)); err != nil {
		return f, err
	}
	return a.parse(head[:], sum.Sum32())
}

func (a frameAhead) parse(body []byte, sum uint32) (f frame, err error) {
	if sum != a.sum {
		return f, errors.New("the checksum of a frame does not match")
	}
	f.number = binary.LittleEndian.Uint64(body)
	f.kind = body[8]
	f.left = binary.LittleEndian.Uint32(body[9:])
	f.payload = body[frameHead:]
	return f, nil
}

// readFrame reads one frame.
func readFrame(r io.Reader) (f frame, err error) {
	a, err := readAhead(r)
	if err != nil {
		return f, err
	}
	return a.body(r)
}

// The first byte of an answer's payload is its class; then comes the result, or the
// reason in words.
const (
	answerOK byte = iota
	answerUnavailable
	answerOverloaded
	answerUnknown
	answerRefused
)

// encodeAnswer keeps an error's class across the connection. The class that promises
// least comes first.
func encodeAnswer(result []byte, err error) []byte {
	switch {
	case err == nil:
		return append([]byte{answerOK}, result...)
	case errors.Is(err, ErrUnknown):
		return append([]byte{answerUnknown}, err.Error()...)
	case errors.Is(err, ErrOverloaded):
		return append([]byte{answerOverloaded}, err.Error()...)
	case errors.Is(err, ErrRefused):
		return append([]byte{answerRefused}, err.Error()...)
	case errors.Is(err, ErrUnavailable):
		return append([]byte{answerUnavailable}, err.Error()...)
	}
	return append([]byte{answerUnknown}, err.Error()...)
}

// remoteError is what another node answered: of one class, in its words.
type remoteError struct {
	class error
	words string
}

func (e *remoteError) Error() string { return e.words }
func (e *remoteError) Unwrap() error { return e.class }

func decodeAnswer(node string, payload []byte) ([]byte, error) {
	if len(payload) == 0 {
		return nil, &remoteError{ErrUnknown, "an empty answer of node " + node}
	}
	words := func() string { return "node " + node + ": " + string(payload[1:]) }
	switch payload[0] {
	case answerOK:
		return payload[1:], nil
	case answerUnavailable:
		return nil, &remoteError{ErrUnavailable, words()}
	case answerOverloaded:
		return nil, &remoteError{ErrOverloaded, words()}
	case answerRefused:
		return nil, &remoteError{ErrRefused, words()}
	}
	return nil, &remoteError{ErrUnknown, words()}
}
