"""A namespace of a real API server as the contract suite needs it.

Behind the API server stand two servers of the test itself: a kubelet that serves logs, and a Service's backend. So the
API server's own proxying is real, and what comes out of it is known to the byte.

`clusters` speak under the operator's shipped ServiceAccount; the scene is set by the cluster's administrator.
"""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web

from stanch.api.needs import OPERATOR, opt_in
from stanch.cli.rbac import binding, role
from stanch.domain.access import Rule
from stanch.domain.plan import Pin, Ref
from stanch.engine.ports import Cluster, HttpCall, HttpReply, Object
from stanch.kube.client import ApiServer
from stanch.kube.identity import ApiClusters
from tests.stage.kubectl import ROOT, documents

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Speakers:
    """Connections: under the operator's ServiceAccount, which is in the namespace `home`, and as the cluster's administrator."""

    operator: ApiServer
    admin: ApiServer
    home: str


class KubeWorld:
    def __init__(self, speakers: Speakers, namespace: str, host: str, folder: Path, stack: AsyncExitStack) -> None:
        self.clusters = ApiClusters(speakers.operator)
        self.admin = ApiClusters(speakers.admin).own
        self.clock = speakers.operator.clock
        self.namespace = namespace
        self._account = {"kind": "ServiceAccount", "name": OPERATOR, "namespace": speakers.home}
        self._host = host
        self._folder = folder
        self._stack = stack
        self._logs: dict[tuple[str, str, bool], bytes] = {}

    async def permit(self, service_account: str, *rules: Rule) -> None:
        subject = {"kind": "ServiceAccount", "name": service_account, "namespace": self.namespace}
        granted = [
            {"verbs": [*rule.verbs], "apiGroups": [rule.group], "resources": [rule.resource]}
            | ({"resourceNames": [*rule.names]} if rule.names else {})
            for rule in rules
        ]
        await self._create("rbac.authorization.k8s.io/v1", "Role", service_account, rules=granted)
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": service_account}
        await self._create("rbac.authorization.k8s.io/v1", "RoleBinding", service_account, roleRef=role, subjects=[subject])
        await self._let_act_as(service_account)
        acting = self.clusters.acting_as(self.namespace, Pin(service_account))
        for rule in rules:
            name = rule.names[0] if rule.names else ""
            await until(lambda rule=rule, name=name: self._has(acting, rule, name))

    async def _let_act_as(self, service_account: str) -> None:
        """As `stanch rbac` prints it."""
        name = f"stanch-acts-as-{service_account}"
        await self.admin.create(role(self.namespace, name, [opt_in(service_account)]))
        await self.admin.create(binding(self.namespace, name, self._account))
        await until(lambda: self._has(self.clusters.own, Rule(("impersonate",), "", "serviceaccounts"), service_account))

    async def home(self) -> str:
        for document in documents(ROOT / "manifests" / "operator" / "rbac.yaml"):
            if document["kind"] in ("Role", "RoleBinding"):
                document["metadata"]["namespace"] = self.namespace
                await self.admin.create(document | ({"subjects": [self._account]} if "subjects" in document else {}))
        await until(lambda: self._has(self.clusters.own, Rule(("create",), "coordination.k8s.io", "leases"), ""))
        return self.namespace

    async def serve(self, service: str, answer: Callable[[HttpCall], HttpReply]) -> Ref:
        async def handle(request: web.Request) -> web.StreamResponse:
            headers = {name.lower(): value for name, value in request.headers.items()}
            reply = answer(HttpCall(request.path, request.method, dict(request.query), headers, await request.read()))
            return web.Response(status=reply.status, body=reply.body)

        return await self._service(service, await self._stack.enter_async_context(serving(handle)))

    async def refuse(self, service: str) -> Ref:
        async with serving(_gone) as port:
            pass
        return await self._service(service, port)

    async def pod(self, name: str, current: bytes, previous: bytes | None) -> Ref:
        self._logs[name, "app", False] = current
        if previous is not None:
            self._logs[name, "app", True] = previous
        node = await self._node()
        await self._create("v1", "ServiceAccount", name)
        containers = [{"name": "app", "image": "none"}, {"name": "new", "image": "none"}]
        spec = {**_bare(name), "nodeName": node, "containers": containers}
        return _ref(await self._create("v1", "Pod", name, spec=spec))

    async def _node(self) -> str:
        """A node whose kubelet is this test. Tainted, so that nothing else is put on it (NoExecute would take our pod too)."""
        tls = await asyncio.to_thread(_certificate, self._folder)
        port = await self._stack.enter_async_context(serving(self._log, tls))
        name = f"contract-{self.namespace}"
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "spec": {"taints": [{"key": "stanch.dev/contract", "effect": "NoSchedule"}], "unschedulable": True},
            "status": {
                "addresses": [{"type": "InternalIP", "address": self._host}, {"type": "Hostname", "address": self._host}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": port}},
            },
        }
        node = _ref(await self.admin.create(body))
        self._stack.push_async_callback(self.admin.delete, node)
        return name

    async def _log(self, request: web.Request) -> web.StreamResponse:
        """As the kubelet answers; its words are those of pkg/kubelet (v1.34). It runs no command."""
        if request.path.startswith("/exec/"):
            return web.Response(status=404, text="container not found")
        _, _, pod, container = request.path.strip("/").split("/")
        previous = request.query.get("previous") == "true"
        if container == "new":
            return web.Response(status=400, text=f'container "new" in pod "{pod}" is waiting to start: ContainerCreating')
        if (pod, container, previous) not in self._logs:
            text = f'previous terminated container "{container}" in pod "{pod}" not found'
            return web.Response(status=400, text=text)
        return web.Response(body=self._logs[pod, container, previous][: int(request.query["limitBytes"])])

    async def _service(self, name: str, port: int) -> Ref:
        """A Service and its backend. The API server reads Endpoints, and proxies to addresses of pods only."""
        service = await self._create("v1", "Service", name, spec={"ports": [{"name": "http", "port": 80}]})
        await self._create("v1", "ServiceAccount", name)
        spec = {**_bare(name), "schedulerName": "nobody", "containers": [{"name": "app", "image": "none"}]}
        pod = _ref(await self._create("v1", "Pod", name, spec=spec))
        status = {"podIP": self._host, "podIPs": [{"ip": self._host}], "phase": "Running"}
        await self.admin.patch(pod, {"status": status}, subresource="status")
        target = {"kind": "Pod", "namespace": self.namespace, "name": name, "uid": pod.uid}
        addresses = [{"ip": self._host, "targetRef": target}]
        subsets = [{"addresses": addresses, "ports": [{"name": "http", "port": port}]}]
        await self._create("v1", "Endpoints", name, subsets=subsets)
        return _ref(service)

    async def _has(self, who: Cluster, rule: Rule, name: str) -> bool:
        return await who.allowed(rule.verbs[0], rule.group, rule.resource, self.namespace, name)

    async def _create(self, api_version: str, kind: str, name: str, *, labels: Any = None, **parts: Any) -> Object:
        metadata = {"name": name, "namespace": self.namespace, "labels": labels or {}}
        return await self.admin.create({"apiVersion": api_version, "kind": kind, "metadata": metadata, **parts})


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server on all of this machine's addresses; gives its port."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "0.0.0.0", 0, ssl_context=tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 (the condition is on another machine)
            await asyncio.sleep(0.05)


async def _gone(request: web.Request) -> web.StreamResponse:
    raise AssertionError(f"nobody should get here: {request.path}")


def _bare(service_account: str) -> dict[str, Any]:
    """What every pod here has: it needs no controller to be made, and none to go."""
    return {
        "serviceAccountName": service_account,
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 0,
    }


def _certificate(folder: Path) -> ssl.SSLContext:
    """Of nobody in particular: the API server does not verify kubelets unless told to."""
    key, certificate = folder / "kubelet.key", folder / "kubelet.crt"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=kubelet"]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _ref(made: Object) -> Ref:
    metadata = made["metadata"]
    return Ref(made["apiVersion"], made["kind"], metadata.get("namespace", ""), metadata["name"], metadata["uid"])
