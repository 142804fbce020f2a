//! What was asked of the Kubernetes API, by whom, and the answer.
//!
//! One row a field; the columns are those of [`Info`](super::Info).

macro_rules! audit_fields {
    ([$next:ident $($later:ident)*] $($rows:tt)*) => {
        $next! {
            [$($later)*] $($rows)*

            KaAuditid "ka.auditid" Text Scalar None Audit [] "Id of the audit event";
            KaStage "ka.stage" Text Scalar None Audit [] "Stage of the request";
            KaAuthDecision "ka.auth.decision" Text Scalar None Audit [] "Decision of the authorization";
            KaAuthReason "ka.auth.reason" Text Scalar None Audit [] "Reason of the authorization";
            KaAuthOpenshiftDecision "ka.auth.openshift.decision" Text Scalar None Audit [] "Decision of OpenShift's authentication";
            KaAuthOpenshiftUsername "ka.auth.openshift.username" Text Scalar None Audit [] "User name of OpenShift's authentication";
            KaValidationsAdmissionPolicyFailure "ka.validations.admission.policy.failure" Text Scalar None Audit [] "What a validating admission policy found wrong";
            KaSecurityPodViolations "ka.security.pod.violations" Text Scalar None Audit [] "What pod security admission found wrong";
            KaUserName "ka.user.name" Text Scalar None Audit [] "Who asked";
            KaUserGroups "ka.user.groups" Text List None Audit [] "Groups of who asked";
            KaImpuserName "ka.impuser.name" Text Scalar None Audit [] "Who was impersonated";
            KaVerb "ka.verb" Text Scalar None Audit [] "What was asked for";
            KaUri "ka.uri" Text Scalar None Audit [] "URI of the request";
            KaUriParam "ka.uri.param" Text Scalar RequiredKey Audit [] "A query parameter of the URI, its first value";
            KaTargetName "ka.target.name" Text Scalar None Audit [] "Name of the object";
            KaTargetNamespace "ka.target.namespace" Text Scalar None Audit [] "Namespace of the object";
            KaTargetResource "ka.target.resource" Text Scalar None Audit [] "Resource of the object";
            KaTargetSubresource "ka.target.subresource" Text Scalar None Audit [] "Subresource of the object";
            KaTargetPodName "ka.target.pod.name" Text Scalar None Audit [] "Name of the pod that a request about pods is answered with";
            KaRespName "ka.resp.name" Text Scalar None Audit [] "Name of the object in the response";
            KaResponseCode "ka.response.code" Text Scalar None Audit [] "Status code of the response";
            KaResponseReason "ka.response.reason" Text Scalar None Audit [] "Reason in the response";
            KaUseragent "ka.useragent" Text Scalar None Audit [] "User agent of who asked";
            KaSourceips "ka.sourceips" Text List OptionalIndex Audit [] "Addresses of who asked";
            KaClusterName "ka.cluster.name" Text Scalar None Audit [] "Name of the cluster, where an annotation gives it";
            KaReqBindingSubjects "ka.req.binding.subjects" Text List None Audit [] "Subjects of a binding, as JSON";
            KaReqBindingSubjectsUserNames "ka.req.binding.subjects.user_names" Text List None Audit [] "Users among the subjects of a binding";
            KaReqBindingSubjectsServiceaccountNames "ka.req.binding.subjects.serviceaccount_names" Text List None Audit [] "Service accounts among the subjects of a binding";
            KaReqBindingSubjectsServiceaccountNsNames "ka.req.binding.subjects.serviceaccount_ns_names" Text List None Audit [] "Service accounts among the subjects of a binding, as namespace:name";
            KaReqBindingSubjectsGroupNames "ka.req.binding.subjects.group_names" Text List None Audit [] "Groups among the subjects of a binding";
            KaReqBindingRole "ka.req.binding.role" Text Scalar None Audit [] "Role that a binding gives";
            KaReqBindingSubjectHasName "ka.req.binding.subject.has_name" Text Scalar RequiredKey Audit [Deprecated] "Always true";
            KaReqConfigmapName "ka.req.configmap.name" Text Scalar None Audit [] "Name of a config map";
            KaReqConfigmapObj "ka.req.configmap.obj" Text Scalar None Audit [] "Data of a config map, as JSON";
            KaReqRoleRules "ka.req.role.rules" Text List None Audit [] "Rules of a role, as JSON";
            KaReqRoleRulesApiGroups "ka.req.role.rules.apiGroups" Text List OptionalIndex Audit [] "API groups of a role's rules, or of one of them";
            KaReqRoleRulesNonResourceURLs "ka.req.role.rules.nonResourceURLs" Text List OptionalIndex Audit [] "URLs without a resource of a role's rules, or of one of them";
            KaReqRoleRulesVerbs "ka.req.role.rules.verbs" Text List OptionalIndex Audit [] "Verbs of a role's rules, or of one of them";
            KaReqRoleRulesResources "ka.req.role.rules.resources" Text List OptionalIndex Audit [] "Resources of a role's rules, or of one of them";
            KaReqServiceType "ka.req.service.type" Text Scalar None Audit [] "Type of a service";
            KaReqServicePorts "ka.req.service.ports" Text List OptionalIndex Audit [] "Ports of a service, as JSON";
            KaExecCommand "ka.exec.command" Text Scalar None Audit [Own] "Command that was started in a container, its words joined by blanks";
            KaExecContainer "ka.exec.container" Text Scalar None Audit [Own] "Container that a command was started in, or attached to";
            KaExecTty "ka.exec.tty" Bool Scalar None Audit [Own] "Whether that command has a terminal";
            KaExecStdin "ka.exec.stdin" Bool Scalar None Audit [Own] "Whether that command reads what the caller types";
        }
    };
}

pub(super) use audit_fields;
