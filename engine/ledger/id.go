package ledger

import (
	"encoding/base32"
	"encoding/binary"
	"strings"
)

// Identifiers of objects, as callers see them: a prefix that names the kind and
// the object's numbers in base 32. They are opaque to callers; the numbers in
// them make every look-up by id direct, without an index of ids.
const (
	prefixMeter       = "mtr_"
	prefixCurrency    = "pc_"
	prefixGrant       = "cg_"
	prefixEvent       = "me_"
	prefixTransaction = "ct_"
)

var idEncoding = base32.NewEncoding("0123456789abcdefghijklmnopqrstuv").WithPadding(base32.NoPadding)

func formatID(prefix string, raw []byte) string {
	return prefix + idEncoding.EncodeToString(raw)
}

// parseID decodes s into raw, whose length is that of the kind's numbers. Only
// the one text that formatID writes is taken.
func parseID(prefix, s string, raw []byte) bool {
	text, ok := strings.CutPrefix(s, prefix)
	if !ok || len(text) != idEncoding.EncodedLen(len(raw)) {
		return false
	}
	if _, err := idEncoding.Decode(raw, []byte(text)); err != nil {
		return false
	}
	return formatID(prefix, raw) == s
}

func numberID(prefix string, number uint32) string {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], uint64(number))
	return formatID(prefix, raw[:])
}

func parseNumberID(prefix, s string) (uint32, bool) {
	var raw [8]byte
	if !parseID(prefix, s, raw[:]) {
		return 0, false
	}
	n := binary.BigEndian.Uint64(raw[:])
	return uint32(n), n != 0 && n>>32 == 0
}

// MeterID is the id of the meter with the number.
func MeterID(number uint32) string { return numberID(prefixMeter, number) }

// ParseMeterID is the inverse of MeterID; ok is false for any other text.
func ParseMeterID(s string) (number uint32, ok bool) { return parseNumberID(prefixMeter, s) }

// CurrencyID is the id of the currency with the number.
func CurrencyID(number uint32) string { return numberID(prefixCurrency, number) }

// ParseCurrencyID is the inverse of CurrencyID; ok is false for any other text.
func ParseCurrencyID(s string) (number uint32, ok bool) { return parseNumberID(prefixCurrency, s) }

// String is the id that callers see.
func (g GrantID) String() string {
	var raw [8]byte
	binary.BigEndian.PutUint32(raw[:], g.Account)
	binary.BigEndian.PutUint32(raw[4:], g.Ordinal)
	return formatID(prefixGrant, raw[:])
}

// ParseGrantID is the inverse of GrantID.String; ok is false for any other text.
func ParseGrantID(s string) (id GrantID, ok bool) {
	var raw [8]byte
	ok = parseID(prefixGrant, s, raw[:])
	return GrantID{binary.BigEndian.Uint32(raw[:]), binary.BigEndian.Uint32(raw[4:])}, ok
}

// String is the id that callers see.
func (e EventID) String() string {
	var raw [12]byte
	binary.BigEndian.PutUint32(raw[:], e.Account)
	binary.BigEndian.PutUint64(raw[4:], e.Seq)
	return formatID(prefixEvent, raw[:])
}

// ParseEventID is the inverse of EventID.String; ok is false for any other text.
func ParseEventID(s string) (id EventID, ok bool) {
	var raw [12]byte
	ok = parseID(prefixEvent, s, raw[:])
	return EventID{binary.BigEndian.Uint32(raw[:]), binary.BigEndian.Uint64(raw[4:])}, ok
}

// String is the id that callers see.
func (t TransactionID) String() string {
	var raw [16]byte
	binary.BigEndian.PutUint32(raw[:], t.Account)
	binary.BigEndian.PutUint64(raw[4:], t.Seq)
	binary.BigEndian.PutUint32(raw[12:], t.Row)
	return formatID(prefixTransaction, raw[:])
}

// ParseTransactionID is the inverse of TransactionID.String; ok is false for any
// other text.
func ParseTransactionID(s string) (id TransactionID, ok bool) {
	var raw [16]byte
	ok = parseID(prefixTransaction, s, raw[:])
	return TransactionID{
		binary.BigEndian.Uint32(raw[:]), binary.BigEndian.Uint64(raw[4:]), binary.BigEndian.Uint32(raw[12:]),
	}, ok
}
