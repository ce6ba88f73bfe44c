variable "enforce" {
  description = "Whether to end the sessions that break the policy. The default only reports them."
  type        = bool
  default     = false
  nullable    = false
}

variable "region" {
  description = "AWS Region of the sessions. Unset, it is the Region of the provider."
  type        = string
  default     = null
}

variable "max_age" {
  description = "How old a session may become, as a duration such as \"8h\". Null sets no limit."
  type        = string
  default     = null
}

variable "forbidden_owners" {
  description = "Owners who may have no session, as ARNs in which * stands for any run of characters."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "forbidden_nodes" {
  description = "Nodes on which nobody may have a session, by ID."
  type        = set(string)
  default     = []
  nullable    = false
}

variable "max_per_owner" {
  description = "How many live sessions an owner may have in the Region. The oldest ones above it break the policy. Null sets no limit."
  type        = number
  default     = null

  validation {
    condition     = var.max_per_owner == null ? true : var.max_per_owner >= 0 && floor(var.max_per_owner) == var.max_per_owner
    error_message = "max_per_owner is a whole number of at least 0."
  }
}

variable "exempt_owners" {
  description = "Owners to whom the policy does not apply. Sessions without an owner are exempt as well, unless this is empty."
  type        = set(string)
  default     = ["arn:*:sts::*:assumed-role/BreakGlass/*"]
  nullable    = false
}

variable "max_ended" {
  description = "If more sessions than this break the policy, none is ended and the plan fails. Nor does a drain end more than this when it runs."
  type        = number
  default     = 50
  nullable    = false

  validation {
    condition     = var.max_ended >= 1 && floor(var.max_ended) == var.max_ended
    error_message = "max_ended is a whole number of at least 1."
  }
}
