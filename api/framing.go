package api

import (
	"bytes"
	"net/url"

	"github.com/valyala/fasthttp"
)

var (
	errFraming = &Error{
		Status: fasthttp.StatusBadRequest, Code: "invalid_framing", Close: true,
		Problem: "the request's headers leave open where its body ends",
	}
	errMethodCase = &Error{
		Status: fasthttp.StatusBadRequest, Code: "invalid_method", Close: true,
		Problem: "the request's method is not in capital letters",
	}
	errVersion = &Error{
		Status: fasthttp.StatusBadRequest, Code: "invalid_version", Close: true, Problem: "the request is not HTTP/1.1 or HTTP/1.0",
	}
	errEncoding = &Error{
		Status: fasthttp.StatusUnsupportedMediaType, Code: "unsupported_encoding", Param: "Content-Encoding",
		Problem: "must be left out: bodies are taken as they are",
	}
	errCrossOrigin = &Error{
		Status: fasthttp.StatusForbidden, Code: "cross_origin", Problem: "a web page of another origin may not call this",
	}
)

// checkHeader refuses requests that another HTTP reader on the way, a proxy for
// one, could cut differently than we did.
func checkHeader(h *fasthttp.RequestHeader) *Error {
	if err := checkFraming(h.RawHeaders()); err != nil {
		return err
	}
	for _, c := range h.Method() {
		if c < 'A' || c > 'Z' {
			return errMethodCase
		}
	}
	if version := h.Protocol(); string(version) != "HTTP/1.1" && string(version) != "HTTP/1.0" {
		return errVersion
	}
	if encoding := h.ContentEncoding(); len(encoding) != 0 && string(encoding) != "identity" {
		return errEncoding
	}
	return checkOrigin(h)
}

// checkFraming walks the header lines as they were sent. fasthttp takes a request
// with both Content-Length and Transfer-Encoding, the encoding "identity", and
// values continued on the next line; we do not.
func checkFraming(raw []byte) *Error {
	length, encoding := false, false
	for len(raw) > 0 {
		line := raw
		if end := bytes.IndexByte(raw, '\n'); end >= 0 {
			line, raw = raw[:end], raw[end+1:]
		} else {
			raw = nil
		}
		if len(line) == 0 {
			continue
		}
		if line[0] == ' ' || line[0] == '\t' {
			return errFraming
		}
		switch line[0] | 0x20 {
		case 'c':
			length = length || hasKey(line, "content-length")
		case 't':
			if hasKey(line, "transfer-encoding") {
				if value := bytes.TrimSpace(line[len("transfer-encoding:"):]); !bytes.EqualFold(value, []byte("chunked")) {
					return errFraming
				}
				encoding = true
			}
		}
	}
	if length && encoding {
		return errFraming
	}
	return nil
}

func hasKey(line []byte, key string) bool {
	return len(line) > len(key) && line[len(key)] == ':' && bytes.EqualFold(line[:len(key)], []byte(key))
}

// checkOrigin refuses writes that a browser sends on behalf of a web page from
// elsewhere: on a machine where no key is asked for, any page that its user looks
// at could otherwise write to the loopback address.
func checkOrigin(h *fasthttp.RequestHeader) *Error {
	if h.IsGet() || h.IsHead() || h.IsOptions() {
		return nil
	}
	if site := h.Peek("Sec-Fetch-Site"); len(site) != 0 {
		if string(site) == "same-origin" || string(site) == "none" {
			return nil
		}
		return errCrossOrigin
	}
	origin := h.Peek("Origin")
	if len(origin) == 0 {
		return nil
	}
	if u, err := url.Parse(string(origin)); err == nil && u.Host != "" && u.Host == string(h.Host()) {
		return nil
	}
	return errCrossOrigin
}
