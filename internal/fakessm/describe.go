// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package fakessm

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"
)

var filterKeys = []string{"InvokedAfter", "InvokedBefore", "Target", "Owner", "Status", "SessionId", "AccessType"}

// filter is one filter of DescribeSessions.
type filter struct {
	key, value       string
	hasKey, hasValue bool
	at               time.Time
}

// filters are the filters of a request. All of them must match.
type filters []filter

func (fs filters) value(key string) (string, bool) {
	for _, f := range fs {
		if f.key == key {
			return f.value, true
		}
	}

	return "", false
}

func (fs filters) check(c *checks) *apiError {
	if len(fs) < 1 {
		c.fail("filters", "'[]'", "have length greater than or equal to 1")
	}
	if len(fs) > 6 {
		c.fail("filters", fmt.Sprintf("'[%d filters]'", len(fs)), "have length less than or equal to 6")
	}
	for i := range fs {
		f := &fs[i]
		member := fmt.Sprintf("filters.%d.member.", i+1)
		if !f.hasKey {
			c.fail(member+"key", "null", "not be null")
		}
		c.length(member+"value", f.value, f.hasValue, 400)
	}
	if problem := c.problem(); problem != nil {
		return problem
	}
	for i := range fs {
		f := &fs[i]
		if !slices.Contains(filterKeys, f.key) {
			return &apiError{code: "InvalidFilterKey", message: "The specified filter key isn't valid."}
		}
		if f.key == "InvokedAfter" || f.key == "InvokedBefore" {
			at, err := time.Parse(time.RFC3339, f.value)
			if err != nil {
				return &apiError{code: "ValidationException", message: fmt.Sprintf("Invalid value for filter %s: %s", f.key, f.value)}
			}
			f.at = at
		}
	}

	return nil
}

func (fs filters) match(e *entry, status string) bool {
	for _, f := range fs {
		var ok bool
		switch f.key {
		case "InvokedAfter":
			ok = !e.StartDate.Before(f.at)
		case "InvokedBefore":
			ok = e.StartDate.Before(f.at)
		case "Target":
			ok = e.Target == f.value
		case "Owner":
			ok = e.Owner == f.value
		case "Status":
			ok = status == f.value
		case "SessionId":
			ok = e.SessionID == f.value
		case "AccessType":
			ok = e.AccessType == f.value
		}
		if !ok {
			return false
		}
	}

	return true
}

// window returns the position and the start date between which sessions can match.
func (fs filters) window(from key) (key, int64) {
	oldest := int64(math.MinInt64)
	for _, f := range fs {
		switch f.key {
		case "InvokedAfter":
			oldest = max(oldest, nanoseconds(f.at))
		case "InvokedBefore":
			if before := (key{start: nanoseconds(f.at.Add(-1))}); before.compare(from) > 0 {
				from = before
			}
		}
	}

	return from, oldest
}

// nanoseconds converts a time to a position in a list. UnixNano cannot express dates such as
// the year 9999, which clients use for "no limit".
func nanoseconds(t time.Time) int64 {
	switch {
	case t.Year() < 1678:
		return math.MinInt64
	case t.Year() > 2261:
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}

type describeSessionsOutput struct {
	Sessions  []sessionOutput `json:"Sessions"`
	NextToken string          `json:"NextToken,omitempty"`
}

type sessionOutput struct {
	SessionID          string     `json:"SessionId"`
	Target             string     `json:"Target,omitempty"`
	Status             string     `json:"Status"`
	StartDate          epoch      `json:"StartDate,omitzero"`
	EndDate            epoch      `json:"EndDate,omitzero"`
	DocumentName       string     `json:"DocumentName,omitempty"`
	Owner              string     `json:"Owner,omitempty"`
	Reason             string     `json:"Reason,omitempty"`
	Details            *string    `json:"Details,omitempty"`
	OutputURL          *outputURL `json:"OutputUrl,omitempty"`
	MaxSessionDuration string     `json:"MaxSessionDuration,omitempty"`
	AccessType         string     `json:"AccessType,omitempty"`
}

type outputURL struct {
	S3OutputURL         string `json:"S3OutputUrl"`
	CloudWatchOutputURL string `json:"CloudWatchOutputUrl"`
}

// epoch is a time in the format of SSM: seconds with a fraction.
type epoch time.Time

// IsZero makes omitzero leave out a missing time.
func (e epoch) IsZero() bool {
	return time.Time(e).IsZero()
}

// MarshalJSON returns a number.
func (e epoch) MarshalJSON() ([]byte, error) {
	t := time.Time(e).UnixMilli()

	return fmt.Appendf(nil, "%d.%03d", t/1000, t%1000), nil
}

// describeSessions lists the newest sessions first.
func (s *Server) describeSessions(c *call) (any, *apiError) {
	var checks checks
	state := c.members.text("State")
	checks.oneOf("state", state, c.members.has("State"), stateHistory, stateActive)
	size, limited := c.members.number("MaxResults")
	if limited {
		checks.between("maxResults", size, 1, 200)
	}
	filters := c.members.filters()
	if c.members.has("Filters") {
		if problem := filters.check(&checks); problem != nil {
			return nil, problem
		}
	}
	if problem := checks.problem(); problem != nil {
		return nil, problem
	}

	query := queryID(c.region, state, filters)
	from := pageToken{Query: query, Start: listStart.start}
	if text := c.members.text("NextToken"); text != "" && !from.decode(text, query) {
		return nil, &apiError{code: "InvalidNextToken", message: "The specified token isn't valid."}
	}
	c.sameToken = from.encode()
	if s.emptyPages && !from.Shown {
		from.Shown = true

		return &describeSessionsOutput{Sessions: []sessionOutput{}, NextToken: from.encode()}, nil
	}
	if !limited || size > s.pageSize {
		size = s.pageSize
	}
	if s.filtersIgnored {
		filters = nil
	}
	page, last := s.sessions.page(s.now(), c.region, state, filters, key{start: from.Start, id: from.ID}, size)
	output := &describeSessionsOutput{Sessions: make([]sessionOutput, len(page))}
	for i, session := range page {
		if s.reasonsHidden && !ended(session.Status) {
			session.Reason = ""
		}
		output.Sessions[i] = session.output()
	}
	if last != nil {
		output.NextToken = pageToken{Query: query, Start: last.start, ID: last.id}.encode()
	}

	return output, nil
}

// output returns the session as DescribeSessions shows it. For a live session the service
// sends missing details as empty strings. For an ended one it omits them.
func (s Session) output() sessionOutput {
	out := sessionOutput{
		SessionID:          s.SessionID,
		Target:             s.Target,
		Status:             s.Status,
		StartDate:          epoch(s.StartDate),
		EndDate:            epoch(s.EndDate),
		DocumentName:       s.DocumentName,
		Owner:              s.Owner,
		Reason:             s.Reason,
		MaxSessionDuration: s.MaxSessionDuration,
		AccessType:         s.AccessType,
	}
	live := !ended(s.Status)
	if live || s.Details != "" {
		out.Details = &s.Details
	}
	if live || s.S3OutputURL != "" || s.CloudWatchOutputURL != "" {
		out.OutputURL = &outputURL{S3OutputURL: s.S3OutputURL, CloudWatchOutputURL: s.CloudWatchOutputURL}
	}

	return out
}

// pageToken is a position in a list. It is valid for one query only.
type pageToken struct {
	Query string `json:"q"`
	Start int64  `json:"s"`
	ID    string `json:"i"`
	// Shown is set when the empty page before this position has been sent.
	Shown bool `json:"e,omitempty"`
}

func (t pageToken) encode() string {
	data, err := json.Marshal(t)
	if err != nil {
		panic(err)
	}

	return base64.StdEncoding.EncodeToString(data)
}

func (t *pageToken) decode(text, query string) bool {
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return false
	}
	var decoded pageToken
	if json.Unmarshal(data, &decoded) != nil || decoded.Query != query {
		return false
	}
	*t = decoded

	return true
}

func queryID(region, state string, fs filters) string {
	parts := make([]string, 0, 2*len(fs)+2)
	parts = append(parts, region, state)
	for _, f := range fs {
		parts = append(parts, f.key, f.value)
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q", parts))

	return hex.EncodeToString(sum[:8])
}
