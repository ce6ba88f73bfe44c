// Copyright (c) SessionOps
// SPDX-License-Identifier: MPL-2.0

package sessionmanager

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Field is the name of an argument whose values select sessions.
type Field string

// The fields of sessions. Judge accepts all but FieldAccessTypes.
const (
	FieldAccessTypes       Field = "access_types"
	FieldTargets           Field = "targets"
	FieldOwners            Field = "owners"
	FieldDocumentNames     Field = "document_names"
	FieldExcludeOwners     Field = "exclude_owners"
	FieldExcludeSessionIDs Field = "exclude_session_ids"
	FieldSessionID         Field = "session_id"
	FieldTarget            Field = "target"
)

// Place is the partition and the account whose sessions are selected.
type Place struct {
	Partition string // Of the Region, such as aws-us-gov. Empty if unknown.
	Account   string // Of the credentials. Empty if unknown.
}

// Finding describes a value that is wrong, or probably wrong.
type Finding struct {
	Value   string
	Refused bool   // The value can never match. Otherwise the finding is a warning.
	Placed  bool   // The finding depends on the Place.
	Summary string // A title, without values.
	Detail  string // What is wrong, and what to write instead.
}

// Judge checks the values of a field without calling the service. A value without a
// finding can match what SSM is known to record. Incomplete tells that the field has
// more values that are not known yet.
func Judge(field Field, values []string, incomplete bool, place Place) []Finding {
	var findings []Finding
	for _, value := range values {
		finding := judgeLength(field, value)
		if finding == nil {
			finding = judgeVisible(field, value)
		}
		if finding == nil {
			finding = judges[field](value, place)
		}
		if finding != nil {
			finding.Value = value
			findings = append(findings, *finding)
		}
	}
	if place.Partition == "" || field != FieldOwners && field != FieldExcludeOwners {
		return findings
	}

	return append(findings, judgePartition(values, incomplete, place)...)
}

// judges has the check for one value of each field.
var judges = map[Field]func(value string, place Place) *Finding{
	FieldTargets:           judgeTarget,
	FieldTarget:            judgeTarget,
	FieldOwners:            ownerJudge{"matches no owner", "may match no session"}.judge,
	FieldExcludeOwners:     ownerJudge{"excludes nobody", "may exclude nobody"}.judge,
	FieldDocumentNames:     judgeDocument,
	FieldSessionID:         judgeSessionID,
	FieldExcludeSessionIDs: judgeExcludedSessionID,
}

// nouns has the noun for a value of each field, for messages.
var nouns = map[Field]string{
	FieldTargets:           "target",
	FieldTarget:            "target",
	FieldOwners:            "owner",
	FieldExcludeOwners:     "owner",
	FieldDocumentNames:     "document name",
	FieldSessionID:         "session ID",
	FieldExcludeSessionIDs: "session ID",
}

// longest has how many characters the API accepts for a value, by field.
var longest = map[Field]int{
	FieldTargets:           400,
	FieldTarget:            400,
	FieldSessionID:         96,
	FieldExcludeSessionIDs: 96,
}

// judgeLength rejects values that are empty or too long. It does not repeat long values.
func judgeLength(field Field, value string) *Finding {
	length, most := utf8.RuneCountInString(value), longest[field]
	switch {
	case length == 0:
		advice := "Remove it. Around a list that can have empty values, put compact()."
		if field == FieldSessionID || field == FieldTarget {
			advice = fmt.Sprintf("Give a %s.", nouns[field])
		}

		return &Finding{Refused: true, Summary: "Empty Value", Detail: fmt.Sprintf("The value is empty, and no %s is.\n\n%s", nouns[field], advice)}
	case most > 0 && length > most:
		return &Finding{
			Refused: true,
			Summary: "Value Too Long",
			Detail:  fmt.Sprintf("The value has %d characters, and a %s has at most %d.\n\nCheck the value.", length, nouns[field], most),
		}
	default:
		return nil
	}
}

// judgeVisible rejects white space and other invisible characters around a value.
func judgeVisible(field Field, value string) *Finding {
	trimmed := strings.TrimFunc(value, invisible)
	if trimmed == value {
		return nil
	}

	advice := "Remove it."
	if trimmed != "" {
		advice = fmt.Sprintf("Use %q.", trimmed)
	}
	if trimmed != "" && strings.TrimSpace(value) == trimmed {
		advice += " Around a value that is read from a file, put trimspace()."
	}
	consequence := "it never matches"
	if field == FieldExcludeOwners || field == FieldExcludeSessionIDs {
		consequence = "it excludes nobody"
	}

	return &Finding{
		Refused: true,
		Summary: "White Space Around Value",
		Detail: fmt.Sprintf("%q begins or ends with %s. No %s does, so %s.\n\n%s",
			value, invisibleText(value), nouns[field], consequence, advice),
	}
}

// invisibleText describes the first invisible character around a value.
func invisibleText(value string) string {
	char, _ := utf8.DecodeRuneInString(value)
	if !invisible(char) {
		char, _ = utf8.DecodeLastRuneInString(value)
	}
	switch {
	case char == '\n' || char == '\r':
		return "a line break"
	case unicode.IsSpace(char):
		return "white space"
	default:
		return fmt.Sprintf("the invisible character %U", char)
	}
}

const (
	summaryUnusualID = "Unusual Session ID"
	exampleSessionID = "Mary-Major-07a16060613c408b5"
	exampleTarget    = "i-0123456789abcdef0"
)

var (
	targetShape = sync.OnceValue(func() *regexp.Regexp {
		// AWS's documentation ends its IDs with EXAMPLE. Endpoints for tests use them.
		const seventeen = `[0-9a-f]{10}(?:[0-9a-f]{7}|EXAMPLE)`

		return regexp.MustCompile(`^(?:i-[0-9a-f]{8}|m?i-` + seventeen + `|ecs:[^*\s]+_[^*\s]+_[^*\s]+|sagemaker-cluster:[^*\s]+_[^*\s]+)$`)
	})
	nodeLikeShape   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^m?i-[0-9A-Za-z]{8,17}$`) })
	sessionARNShape = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^arn:[^:]*:ssm:[^:]*:[^:]*:session/(.*)$`) })
	regionShape     = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-z]{2,4}(-[a-z]+){1,3}-[0-9]{1,2}$`) })
	documentShape   = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[a-zA-Z0-9_.-]{3,128}$`) })
)

// LooksLikeRegion reports whether a text has the form of the Regions of every partition.
func LooksLikeRegion(text string) bool { return regionShape().MatchString(text) }

// judgeSessionID only warns, because the form of session IDs has changed before.
func judgeSessionID(value string, _ Place) *Finding {
	if nodeLikeShape().MatchString(value) {
		return &Finding{
			Summary: "Node ID Instead of Session ID",
			Detail: fmt.Sprintf("%q looks like the ID of a managed node. A session ID looks like %q.\n\nTo select the sessions of a node, use the argument targets of ssm_sessions or ssm_session_drain.",
				value, exampleSessionID),
		}
	}
	if parts := sessionARNShape().FindStringSubmatch(value); parts != nil {
		return &Finding{
			Summary: "ARN Instead of Session ID",
			Detail:  fmt.Sprintf("%q is a session's ARN. The session ID is what follows \"session/\".\n\nUse %q.", value, parts[1]),
		}
	}
	// As in the import of ssm_session_termination.
	if at := strings.LastIndex(value, "@"); at > 0 && strings.Contains(value[:at], "-") && LooksLikeRegion(value[at+1:]) {
		return &Finding{
			Summary: "Region Behind Session ID",
			Detail:  fmt.Sprintf("%q looks like a session ID with a Region behind it. Only the import of ssm_session_termination accepts that form.\n\nUse %q. The Region belongs in the argument region.", value, value[:at]),
		}
	}
	// Session IDs begin with the name of a user or role session.
	if char := firstOther(value, nameCharacter); char != "" {
		return &Finding{
			Summary: summaryUnusualID,
			Detail: fmt.Sprintf("%+q contains %s, which is not known to occur in session IDs, and may match no session. Session IDs have letters without accents, digits, \"_\", \"+\", \"=\", \",\", \".\", \"@\" and \"-\".\n\nCheck the value, for example against the IDs that the data source ssm_sessions shows.",
				value, char),
		}
	}

	return nil
}

// judgeExcludedSessionID also rejects values that certainly exclude no session.
func judgeExcludedSessionID(value string, place Place) *Finding {
	switch finding := judgeSessionID(value, place); {
	case sessionARNShape().MatchString(value):
		finding.Refused = true
		finding.Detail = strings.Replace(finding.Detail, "\n\n", " It would exclude no session.\n\n", 1)

		return finding
	case strings.HasPrefix(value, "arn:"):
		return &Finding{
			Refused: true,
			Summary: "ARN Instead of Session ID",
			Detail:  fmt.Sprintf("%q is an ARN. A session ID is never an ARN, so it would exclude no session.\n\nUse a session ID such as %q.", value, exampleSessionID),
		}
	case nodeLikeShape().MatchString(value):
		finding.Detail = fmt.Sprintf("%q looks like the ID of a managed node. Such an ID excludes no session. A session ID looks like %q.\n\nTo exclude the sessions of a node, leave the node out of targets.", value, exampleSessionID)

		return finding
	case finding != nil && finding.Summary == summaryUnusualID:
		finding.Detail = strings.Replace(finding.Detail, "may match no session", "may exclude nobody", 1)
		if strings.Contains(value, "*") {
			finding.Detail += " The IDs are no patterns. To exclude the sessions of a person or a role, use exclude_owners."
		}

		return finding
	default:
		return finding
	}
}

// judgeTarget warns of a form that SSM is not known to use.
func judgeTarget(value string, _ Place) *Finding {
	if targetShape().MatchString(value) {
		return nil
	}

	if strings.HasPrefix(value, "i-") || strings.HasPrefix(value, "mi-") {
		advice := "Check the value."
		if lower := strings.ToLower(value); targetShape().MatchString(lower) {
			advice = fmt.Sprintf("Use %q.", lower)
		}

		return &Finding{
			Summary: "Unusual Target",
			Detail: fmt.Sprintf("%+q does not look like the ID of a node, and may match no session. In such an ID, 8 or 17 hexadecimal digits in lower case follow \"i-\", and 17 follow \"mi-\".\n\n%s",
				value, advice),
		}
	}

	return &Finding{
		Summary: "Unusual Target",
		Detail: fmt.Sprintf("%+q does not look like a target of Session Manager, and may match no session. Targets look like %q, \"mi-0123456789abcdef0\", \"ecs:CLUSTER_TASK_RUNTIME\" or \"sagemaker-cluster:CLUSTER_GROUP-INSTANCE\".\n\nCheck the value. ARNs, host names, session IDs and patterns are not targets.",
			value, exampleTarget),
	}
}

// judgeDocument warns of a name that no document can have.
func judgeDocument(value string, _ Place) *Finding {
	if documentShape().MatchString(value) {
		return nil
	}

	return &Finding{
		Summary: "Unusual Document Name",
		Detail:  fmt.Sprintf("%+q does not look like the name of an SSM document, and may match no session. Names have 3 to 128 letters, digits, \"_\", \"-\" and \".\"; patterns and ARNs are not allowed.\n\nCheck the value, for example \"SSM-SessionManagerRunShell\".", value),
	}
}

// ownerJudge checks owner patterns against the known forms of owners. Its texts tell the
// consequence of a pattern that certainly, or probably, matches no owner.
type ownerJudge struct{ never, perhaps string }

func (j ownerJudge) judge(pattern string, place Place) *Finding {
	refused := func(why, advice string) *Finding {
		return &Finding{Refused: true, Summary: "Invalid Owner", Detail: fmt.Sprintf("%+q %s: %s.\n\n%s", pattern, j.never, why, advice)}
	}
	unusual := func(why, advice string) *Finding {
		return &Finding{Summary: "Unusual Owner", Detail: fmt.Sprintf("%+q %s, and %s.\n\n%s", pattern, why, j.perhaps, advice)}
	}

	if _, ok := fitsAny(pattern, recordedShapes(anyPartition, "")); ok {
		return judgeAccount(pattern, place)
	}
	if whole := inAccount(pattern, "*"); whole != "" {
		return refused("it names an account whose number does not have 12 digits", fmt.Sprintf("Correct the number, or use %q for every account.", whole))
	}
	for _, m := range mistakes() {
		if _, ok := fits(pattern, m.shape); ok {
			return refused("it "+m.why, fmt.Sprintf("Use %q for all sessions of a role, or an owner such as \"arn:aws:iam::123456789012:user/mary\".", ownerForm(pattern, place)))
		}
	}
	if _, ok := fits(pattern, anyARN()); !ok {
		return refused("SSM records owners as ARNs", "Use one such as \"arn:aws:sts::123456789012:assumed-role/Operator/mary\", or a pattern such as \"*/mary\".")
	}
	char := firstOther(pattern, func(r rune) bool { return pathCharacter(r) || r == ':' || r == '*' })
	if _, known := fitsAny(pattern, knownServices()); known && char != "" {
		const advice = "Names have only letters without accents, digits, \"_\", \"+\", \"=\", \",\", \".\", \"@\" and \"-\". In patterns, only * stands for other characters. Check the value, for example against the owners that the data source ssm_sessions shows."
		if _, ok := fits(pattern, unusualPath()); ok {
			return unusual("contains "+char+", which only the path of a user can contain", advice)
		}

		return refused("it contains "+char+", and no owner does", advice)
	}

	return unusual("has a shape that SSM is not known to record", "The known shapes are arn:PARTITION:iam::ACCOUNT:root, arn:PARTITION:iam::ACCOUNT:user/NAME, "+
		"arn:PARTITION:sts::ACCOUNT:assumed-role/ROLE/SESSION and arn:PARTITION:sts::ACCOUNT:federated-user/NAME, with an account of 12 digits. Check the value, for example against the owners that the data source ssm_sessions shows.")
}

// percentEncoded matches an encoded character at the beginning of a text.
var percentEncoded = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^%[0-9A-Fa-f]{2}`) })

// firstOther returns the first character of a value that is not allowed, in the form of
// messages, or "".
func firstOther(value string, allowed func(rune) bool) string {
	for at, char := range value {
		if allowed(char) {
			continue
		}
		encoded := percentEncoded().FindString(value[at:])
		switch {
		case encoded != "":
			return strconv.Quote(encoded)
		case char == ' ':
			return "a space"
		case char < ' ' || char > '~':
			return fmt.Sprintf("the character %U", char)
		default:
			return fmt.Sprintf("the character %q", string(char))
		}
	}

	return ""
}

// judgeAccount warns of a pattern for another account than the one of the credentials.
func judgeAccount(pattern string, place Place) *Finding {
	if place.Account == "" {
		return nil
	}
	if _, ok := fitsAny(pattern, recordedShapes(anyPartition, place.Account)); ok {
		return nil
	}

	return &Finding{
		Placed:  true,
		Summary: "Owner of Another Account",
		Detail: fmt.Sprintf("%q matches no owner of account %s, the account of the credentials. Sessions of this account usually belong to its own users and role sessions. This includes users of other accounts who assume a role in it.\n\nCheck the account number.",
			pattern, place.Account),
	}
}

// judgePartition rejects patterns for other partitions than the Region's, unless
// another pattern of the list fits the Region's partition.
func judgePartition(patterns []string, incomplete bool, place Place) []Finding {
	var strangers []string
	for _, pattern := range patterns {
		if strings.TrimFunc(pattern, invisible) != pattern {
			continue
		}
		if _, ok := fitsAny(pattern, recordedShapes(place.Partition, "")); ok {
			return nil
		}
		if _, ok := fitsAny(pattern, recordedShapes(anyPartition, "")); ok {
			strangers = append(strangers, pattern)
		}
	}
	if incomplete {
		return nil
	}

	var findings []Finding
	for _, pattern := range strangers {
		findings = append(findings, Finding{
			Value:   pattern,
			Refused: true,
			Placed:  true,
			Summary: "Owner of Another Partition",
			Detail: fmt.Sprintf("%q matches no owner in the partition %q, the partition of the Region.\n\nUse %q, or %q for every partition.",
				pattern, place.Partition, inPartition(pattern, place.Partition), inPartition(pattern, "*")),
		})
	}

	return findings
}

// inAccount returns the pattern with its account replaced, if nothing else is wrong with
// it, and an empty string otherwise.
func inAccount(pattern, account string) string {
	parts := strings.SplitN(pattern, ":", 6)
	if len(parts) < 6 || parts[0] != "arn" {
		return ""
	}
	parts[4] = account
	replaced := strings.Join(parts, ":")
	if _, ok := fitsAny(replaced, recordedShapes(anyPartition, "")); !ok {
		return ""
	}

	return replaced
}

// inPartition returns the pattern with its partition replaced.
func inPartition(pattern, partition string) string {
	parts := strings.SplitN(pattern, ":", 3)
	if len(parts) < 3 || parts[0] != "arn" {
		return "arn:" + partition + ":*" + pattern[strings.LastIndexAny(pattern, ":/*")+1:]
	}

	return parts[0] + ":" + partition + ":" + parts[2]
}

// ownerForm suggests a pattern for the sessions of the role that a pattern names. Users
// copy the suggestion, so it must not match every session.
func ownerForm(pattern string, place Place) string {
	partition, account, role, session := "*", "*", "ROLE_NAME", "*"
	parts := strings.SplitN(pattern, ":", 6)
	if len(parts) == 6 && parts[0] == "arn" {
		partition, account = parts[1], parts[4]
	}
	if place.Partition != "" && partition != "*" {
		partition = place.Partition
	}
	resource := parts[len(parts)-1]
	if _, names, found := strings.Cut(resource, "assumed-role/"); found {
		segments := strings.Split(strings.TrimSuffix(names, "/"), "/")
		role = segments[0]
		if len(segments) > 1 {
			role, session = segments[len(segments)-2], segments[len(segments)-1]
		}
	} else if _, names, found := strings.Cut(resource, "role/"); found {
		role = names[strings.LastIndex(names, "/")+1:]
	}
	if strings.Trim(role, "*") == "" {
		role = "ROLE_NAME"
	}

	form := fmt.Sprintf("arn:%s:sts::%s:assumed-role/%s/%s", partition, account, role, session)
	if _, ok := fitsAny(form, recordedShapes(anyPartition, "")); !ok {
		return "arn:*:sts::*:assumed-role/ROLE_NAME/*"
	}

	return form
}
