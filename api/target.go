package api

import (
	"strings"
	"unicode/utf8"

	"github.com/valyala/fasthttp"
)

// fasthttp cleans a request's path before a handler sees it, and a proxy in
// front may have cleaned it differently. So the target is read here from the
// bytes that were sent, and whatever two readers could understand in two ways is
// refused.

var errBadTarget = &Error{
	Status: fasthttp.StatusBadRequest, Code: "invalid_target", Problem: "the request's path or query is not valid",
}

// splitTarget cuts a request target into path and query. Only origin form is
// taken: a path that begins with a slash.
func splitTarget(target string) (path, rawQuery string, err *Error) {
	if target == "" || target[0] != '/' || strings.ContainsAny(target, "#\\") {
		return "", "", errBadTarget
	}
	path, rawQuery, _ = strings.Cut(target, "?")
	return path, rawQuery, nil
}

// maxSegments is one more than the longest route has.
const maxSegments = 6

// splitPath cuts a path into its decoded segments. An empty one, except at the
// end, and the dots that mean directories are refused, also in their encoded
// forms.
func splitPath(path string, segments *[maxSegments]string) (n int, err *Error) {
	rest := path[1:]
	for more := true; more; n++ {
		if n == maxSegments {
			return 0, notFound("", "there is no such route")
		}
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment, err = decodeText(segment, false); err != nil {
			return 0, err
		}
		if segment == "." || segment == ".." || segment == "" && more {
			return 0, errBadTarget
		}
		segments[n] = segment
	}
	return n, nil
}

// decodeText undoes percent-encoding, and in a query '+' for a space. The result
// is valid UTF-8 without control characters.
func decodeText(s string, plus bool) (string, *Error) {
	if !strings.ContainsRune(s, '%') && !(plus && strings.ContainsRune(s, '+')) {
		return s, checkText(s)
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '%':
			if i+2 >= len(s) {
				return "", errBadTarget
			}
			high, ok1 := hexDigit(s[i+1])
			low, ok2 := hexDigit(s[i+2])
			if !ok1 || !ok2 {
				return "", errBadTarget
			}
			c = high<<4 | low
			i += 2
		case c == '+' && plus:
			c = ' '
		}
		out = append(out, c)
	}
	return string(out), checkText(string(out))
}

func checkText(s string) *Error {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c == 0x7f {
			return errBadTarget
		}
	}
	if !utf8.ValidString(s) {
		return errBadTarget
	}
	return nil
}
