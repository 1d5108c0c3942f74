package picture

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// newClient makes the client that fetches: no proxy, no cookies, no
// connection kept, nothing unpacked, and each redirect and each address
// checked.
func (f *fetcher) newClient() *http.Client {
	dial := f.store.cfg.dial
	if dial == nil {
		dial = (&net.Dialer{Timeout: fetchTimeout, Control: f.control}).DialContext
	}
	return &http.Client{
		Transport: &http.Transport{
			DialContext:            dial,
			TLSClientConfig:        &tls.Config{RootCAs: f.store.cfg.RootCAs, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    fetchTimeout,
			DisableKeepAlives:      true,
			DisableCompression:     true,
			MaxResponseHeaderBytes: 16 << 10,
		},
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			r.Header.Del("Referer") // the next server need not know
			if len(via) > maxRedirects {
				return errRedirects
			}
			return f.mayFetch(r.URL)
		},
	}
}

// Why a fetch failed, besides what the network and Put say.
var (
	errRedirects = errors.New("too many redirects")
	errClosed    = errors.New("the store is closed")
)

// statusError is an answer that is no picture.
type statusError struct{ code int }

func (e *statusError) Error() string { return fmt.Sprintf("the server answered %d", e.code) }

// fetch asks the server once. last is what is known from before; its etag is
// "" when the picture must come whole.
func (f *fetcher) fetch(u *url.URL, last fetched) (Picture, fetched, error) {
	ctx, cancel := context.WithTimeout(f.ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return Picture{}, last, err
	}
	req.Header.Set("User-Agent", "Porchlight")
	req.Header.Set("Accept", "image/png, image/jpeg, image/gif, image/webp")
	if last.etag != "" {
		req.Header.Set("If-None-Match", last.etag) // RFC 9110 §13.1.2
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return Picture{}, last, err
	}
	defer resp.Body.Close()
	next := fetched{id: last.id, etag: etagOf(resp.Header), fresh: time.Now().Add(freshness(resp.Header))}
	if resp.StatusCode == http.StatusNotModified && last.etag != "" {
		// RFC 9110 §15.4.5: what we have is still right.
		next.etag = last.etag
		if e, ok := f.store.use(last.id); ok {
			f.store.metrics.fetches.WithLabelValues("not_modified").Inc()
			return e.Picture, next, nil
		}
		return Picture{}, last, &statusError{resp.StatusCode} // dropped meanwhile
	}
	if resp.StatusCode != http.StatusOK {
		return Picture{}, last, &statusError{resp.StatusCode}
	}
	p, err := f.receive(resp)
	if err != nil {
		return Picture{}, last, err
	}
	next.id = p.ID
	f.store.metrics.fetches.WithLabelValues("ok").Inc()
	return p, next, nil
}

// receive reads the body, no more than one byte too many, and stores it.
func (f *fetcher) receive(resp *http.Response) (Picture, error) {
	limit := int64(f.store.cfg.MaxBytes)
	if resp.ContentLength > limit {
		return Picture{}, refuse(TooLarge, "it is larger than %d bytes", limit)
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return Picture{}, fmt.Errorf("reading the picture: %w", err)
	}
	if f.ctx.Err() != nil {
		return Picture{}, errClosed
	}
	return f.store.Put(data)
}

// etagOf returns the entity-tag to ask with next time; "" for none, or for
// one that no server of good will sends.
func etagOf(h http.Header) string {
	e := h.Get("ETag")
	if len(e) > 256 {
		return ""
	}
	return e
}

// freshness is how long the answer is good for, by its Cache-Control, within
// our own bounds.
func freshness(h http.Header) time.Duration {
	fresh := freshDefault
	for _, d := range strings.Split(strings.ToLower(strings.Join(h.Values("Cache-Control"), ",")), ",") {
		key, value, _ := strings.Cut(strings.TrimSpace(d), "=")
		switch key {
		case "no-store", "no-cache":
			return freshLeast
		case "max-age":
			n, err := strconv.ParseUint(strings.Trim(value, `"`), 10, 31)
			if err == nil {
				fresh = min(max(time.Duration(n)*time.Second, freshLeast), freshMost)
			}
		}
	}
	return fresh
}

// classify returns how a fetch failed, as metrics have it, and whether it may
// soon be otherwise.
func classify(err error) (result string, passing bool) {
	var refused *Error
	var status *statusError
	var network net.Error
	switch {
	case errors.As(err, &refused):
		return refused.Kind.String(), false
	case errors.As(err, &status):
		return "status", status.code >= 500 || status.code == http.StatusTooManyRequests
	case errors.Is(err, errHost):
		return "redirect_not_allowed", false
	case errors.Is(err, errAddress):
		return "address_not_allowed", false
	case errors.Is(err, errRedirects):
		return "redirects", false
	case errors.As(err, &network) && network.Timeout():
		return "timeout", true
	}
	return "failed", true
}

// withoutURL is err without the address, which package http puts into it.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}
