(** What all files share: finite sums, inner product spaces, derivatives of one variable,
    gradients and projections.

    Nothing here is assumed of the world: an [inner_space] is a record, and the end of the file
    builds the real line and R^d as instances, so its laws do not contradict each other. *)

From Coq Require Import Reals Lra Lia FunctionalExtensionality.
From Coquelicot Require Import Coquelicot.
Open Scope R_scope.

(** * Finite sums *)

(** [total n u] is u 0 + ... + u (n - 1), and [mean n u] is its n-th part. *)
Fixpoint total (n : nat) (u : nat -> R) : R :=
  match n with O => 0 | S k => total k u + u k end.

Definition mean (n : nat) (u : nat -> R) : R := total n u / INR n.

Lemma total_ext n u v : (forall i, (i < n)%nat -> u i = v i) -> total n u = total n v.
Proof.
  induction n as [|n IH]; intros H; simpl; [easy|].
  rewrite IH by (intros; apply H; lia). now rewrite H by lia.
Qed.

Lemma total_plus n u v : total n (fun i => u i + v i) = total n u + total n v.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; lra. Qed.

Lemma total_scal n c u : total n (fun i => c * u i) = c * total n u.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; lra. Qed.

Lemma total_minus n u v : total n (fun i => u i - v i) = total n u - total n v.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; lra. Qed.

Lemma total_const n c : total n (fun _ => c) = INR n * c.
Proof. induction n as [|n IH]; [simpl; lra|]. rewrite S_INR. simpl. rewrite IH. lra. Qed.

Lemma total_le n u v : (forall i, (i < n)%nat -> u i <= v i) -> total n u <= total n v.
Proof.
  induction n as [|n IH]; intros H; simpl; [lra|].
  assert (u n <= v n) by (apply H; lia).
  assert (total n u <= total n v) by (apply IH; intros; apply H; lia). lra.
Qed.

Lemma total_nonneg n u : (forall i, (i < n)%nat -> 0 <= u i) -> 0 <= total n u.
Proof.
  intros H. apply Rle_trans with (total n (fun _ => 0)).
  - rewrite total_const. lra.
  - now apply total_le.
Qed.

Lemma total_abs n u : Rabs (total n u) <= total n (fun i => Rabs (u i)).
Proof.
  induction n as [|n IH]; simpl; [rewrite Rabs_R0; lra|].
  eapply Rle_trans; [apply Rabs_triang|]. lra.
Qed.

Lemma total_telescope n (u : nat -> R) : total n (fun t => u (S t) - u t) = u n - u O.
Proof. induction n as [|n IH]; simpl; [|rewrite IH]; lra. Qed.

Lemma total_swap n m (u : nat -> nat -> R) :
  total n (fun i => total m (u i)) = total m (fun j => total n (fun i => u i j)).
Proof.
  induction n as [|n IH]; simpl; [now rewrite total_const, Rmult_0_r|].
  now rewrite IH, total_plus.
Qed.

Lemma total_one n (u : nat -> R) i :
  (i < n)%nat -> (forall j, (j < n)%nat -> j <> i -> u j = 0) -> total n u = u i.
Proof.
  induction n as [|n IH]; intros Hi H; simpl; [lia|].
  destruct (Nat.eq_dec i n) as [->|Hn].
  - rewrite (total_ext n u (fun _ => 0)), total_const by (intros; apply H; lia). lra.
  - rewrite IH, (H n) by (try lia; intros; apply H; lia). lra.
Qed.

Lemma mean_le n u v : (forall i, (i < n)%nat -> u i <= v i) -> mean n u <= mean n v.
Proof.
  intros H. unfold mean. destruct n as [|n]; [simpl; lra|].
  apply Rmult_le_compat_r; [|now apply total_le].
  apply Rlt_le, Rinv_0_lt_compat, lt_0_INR. lia.
Qed.

Lemma mean_ext n u v : (forall i, (i < n)%nat -> u i = v i) -> mean n u = mean n v.
Proof. intros H. unfold mean. now rewrite (total_ext n u v). Qed.

Lemma mean_plus n u v : mean n (fun i => u i + v i) = mean n u + mean n v.
Proof. unfold mean. rewrite total_plus. unfold Rdiv. ring. Qed.

Lemma mean_minus n u v : mean n (fun i => u i - v i) = mean n u - mean n v.
Proof. unfold mean. rewrite total_minus. unfold Rdiv. ring. Qed.

Lemma mean_scal n c u : mean n (fun i => c * u i) = c * mean n u.
Proof. unfold mean. rewrite total_scal. unfold Rdiv. ring. Qed.

Lemma mean_const n c : (0 < n)%nat -> mean n (fun _ => c) = c.
Proof. intros H. unfold mean. rewrite total_const. field. now apply not_0_INR; lia. Qed.

Lemma mean_abs n u : Rabs (mean n u) <= mean n (fun i => Rabs (u i)).
Proof.
  unfold mean. destruct n as [|n]; [simpl; unfold Rdiv; rewrite Rmult_0_l, Rabs_R0; lra|].
  assert (0 < / INR (S n)) by (apply Rinv_0_lt_compat, lt_0_INR; lia).
  unfold Rdiv. rewrite Rabs_mult, (Rabs_pos_eq (/ _)) by lra.
  apply Rmult_le_compat_r; [lra|apply total_abs].
Qed.

Lemma least_index n (u : nat -> R) :
  (0 < n)%nat -> exists k, (k < n)%nat /\ forall i, (i < n)%nat -> u k <= u i.
Proof.
  induction n as [|[|n] IH]; intros Hn; [lia| |].
  - exists O. split; [lia|]. intros i Hi. replace i with O by lia. lra.
  - destruct IH as (k & Hk & H); [lia|]. destruct (Rle_or_lt (u k) (u (S n))).
    + exists k. split; [lia|]. intros i Hi. destruct (Nat.eq_dec i (S n)) as [->|]; [easy|].
      apply H. lia.
    + exists (S n). split; [lia|]. intros i Hi. destruct (Nat.eq_dec i (S n)) as [->|]; [lra|].
      apply Rle_trans with (u k); [lra|]. apply H. lia.
Qed.

(** A minimum is at most an average. *)
Lemma least_le_mean n (u : nat -> R) :
  (0 < n)%nat -> exists k, (k < n)%nat /\ u k <= mean n u.
Proof.
  intros Hn. destruct (least_index n u Hn) as (k & Hk & H). exists k. split; [easy|].
  rewrite <- (mean_const n (u k)) by easy. now apply mean_le.
Qed.

(** * Inner product spaces *)

(** The laws of a real vector space, and a symmetric, bilinear, non-negative product.
    That only the zero vector has norm zero is never used, hence not asked. *)
Record inner_space := {
  vec :> Type;
  vzero : vec;
  vadd : vec -> vec -> vec;
  vscal : R -> vec -> vec;
  dot : vec -> vec -> R;
  vadd_comm : forall x y, vadd x y = vadd y x;
  vadd_assoc : forall x y z, vadd x (vadd y z) = vadd (vadd x y) z;
  vadd_zero : forall x, vadd x vzero = x;
  vadd_opp : forall x, vadd x (vscal (-1) x) = vzero;
  vscal_one : forall x, vscal 1 x = x;
  vscal_vscal : forall a b x, vscal a (vscal b x) = vscal (a * b) x;
  vscal_vadd : forall a x y, vscal a (vadd x y) = vadd (vscal a x) (vscal a y);
  vscal_plus : forall a b x, vscal (a + b) x = vadd (vscal a x) (vscal b x);
  dot_sym : forall x y, dot x y = dot y x;
  dot_vadd : forall x y z, dot (vadd x y) z = dot x z + dot y z;
  dot_vscal : forall a x y, dot (vscal a x) y = a * dot x y;
  dot_pos : forall x, 0 <= dot x x
}.

Arguments vzero {i}.
Arguments vadd {i} x y.
Arguments vscal {i} a x.
Arguments dot {i} x y.

Declare Scope vec_scope.
Delimit Scope vec_scope with vec.
Infix "+" := vadd : vec_scope.
Notation "x - y" := (vadd x (vscal (-1) y)) : vec_scope.
Infix "*" := vscal : vec_scope.
Notation "<< x , y >>" := (dot x%vec y%vec) (at level 0, x at level 99, y at level 99).
Bind Scope vec_scope with vec.

Definition norm {X : inner_space} (x : X) : R := sqrt << x, x >>.
Arguments norm {X} x%vec.

Fixpoint vtotal {X : inner_space} (n : nat) (v : nat -> X) : X :=
  match n with O => vzero | S k => vadd (vtotal k v) (v k) end.

Section Space.
Context {X : inner_space}.
Implicit Types x y z : X.

Lemma vscal_zero x : vscal 0 x = vzero.
Proof.
  replace 0 with (1 + -1) by ring. now rewrite vscal_plus, vscal_one, vadd_opp.
Qed.

Lemma dot_vadd_r x y z : << x, y + z >> = << x, y >> + << x, z >>.
Proof. now rewrite dot_sym, dot_vadd, (dot_sym _ y), (dot_sym _ z). Qed.

Lemma dot_vscal_r a x y : << x, a * y >> = a * << x, y >>.
Proof. now rewrite dot_sym, dot_vscal, dot_sym. Qed.

End Space.

(** Multiply out all inner products of sums. *)
Ltac expand := rewrite ?dot_vadd, ?dot_vadd_r, ?dot_vscal, ?dot_vscal_r;
  rewrite ?dot_vadd, ?dot_vadd_r, ?dot_vscal, ?dot_vscal_r;
  rewrite ?dot_vadd, ?dot_vadd_r, ?dot_vscal, ?dot_vscal_r.
Ltac expand_in H := rewrite ?dot_vadd, ?dot_vadd_r, ?dot_vscal, ?dot_vscal_r in H;
  rewrite ?dot_vadd, ?dot_vadd_r, ?dot_vscal, ?dot_vscal_r in H;
  rewrite ?dot_vadd, ?dot_vadd_r, ?dot_vscal, ?dot_vscal_r in H.

Section Norms.
Context {X : inner_space}.
Implicit Types x y z : X.

Lemma dot_zero x : << vzero, x >> = 0.
Proof. rewrite <- (vscal_zero vzero), dot_vscal. ring. Qed.

Lemma dot_vtotal n (v : nat -> X) x : << vtotal n v, x >> = total n (fun i => << v i, x >>).
Proof.
  induction n as [|n IH]; simpl; [apply dot_zero|]. now rewrite dot_vadd, IH.
Qed.

Lemma norm_pos x : 0 <= norm x.
Proof. apply sqrt_pos. Qed.

Lemma norm_sqr x : norm x ^ 2 = << x, x >>.
Proof. unfold norm. rewrite pow2_sqrt; [easy|apply dot_pos]. Qed.

Lemma norm_le x r : 0 <= r -> << x, x >> <= r ^ 2 -> norm x <= r.
Proof.
  intros Hr H. unfold norm. rewrite <- (sqrt_pow2 r) by easy. now apply sqrt_le_1_alt.
Qed.

Lemma norm_le_sqr x r : norm x <= r -> << x, x >> <= r ^ 2.
Proof.
  intros H. rewrite <- norm_sqr. apply pow_incr. split; [apply norm_pos|easy].
Qed.

(** The inequality of Cauchy and Schwarz. *)
Lemma cauchy_schwarz_sqr x y : << x, y >> ^ 2 <= << x, x >> * << y, y >>.
Proof.
  assert (Q : forall t, 0 <= << x, x >> - 2 * t * << x, y >> + t ^ 2 * << y, y >>).
  { intros t. assert (H := dot_pos X (x - t * y)%vec).
    expand_in H. rewrite (dot_sym _ y x) in H. nra. }
  assert (Hy := dot_pos X y).
  destruct (Req_dec << y, y >> 0) as [E|E].
  - destruct (Req_dec << x, y >> 0) as [E'|E']; [rewrite E', E; lra|].
    specialize (Q ((<< x, x >> + 1) / (2 * << x, y >>))).
    replace (2 * _ * _) with (<< x, x >> + 1) in Q by (field; easy). rewrite E in Q. lra.
  - specialize (Q (<< x, y >> / << y, y >>)).
    apply (Rmult_le_compat_r << y, y >>) in Q; [|easy].
    replace ((_ - _ + _) * _) with (<< x, x >> * << y, y >> - << x, y >> ^ 2) in Q
      by (field; easy). lra.
Qed.

Lemma cauchy_schwarz x y : Rabs << x, y >> <= norm x * norm y.
Proof.
  unfold norm. rewrite <- sqrt_mult by apply dot_pos.
  rewrite <- sqrt_Rsqr_abs. apply sqrt_le_1_alt. unfold Rsqr.
  assert (H := cauchy_schwarz_sqr x y). simpl in H. lra.
Qed.

Lemma dot_le x y : << x, y >> <= norm x * norm y.
Proof. eapply Rle_trans; [apply Rle_abs|apply cauchy_schwarz]. Qed.

Lemma norm_vscal a x : norm (a * x) = Rabs a * norm x.
Proof.
  unfold norm. rewrite dot_vscal, dot_vscal_r, <- Rmult_assoc, sqrt_mult_alt by nra.
  f_equal. apply sqrt_Rsqr_abs.
Qed.

Lemma norm_triangle x y : norm (x + y) <= norm x + norm y.
Proof.
  assert (Hx := norm_pos x). assert (Hy := norm_pos y).
  apply norm_le; [lra|].
  rewrite dot_vadd, !dot_vadd_r, (dot_sym _ y x), <- !norm_sqr.
  assert (H := dot_le x y). nra.
Qed.

Lemma norm_zero : norm (X := X) vzero = 0.
Proof. unfold norm. now rewrite dot_zero, sqrt_0. Qed.

Lemma norm_vtotal n (v : nat -> X) : norm (vtotal n v) <= total n (fun i => norm (v i)).
Proof.
  induction n as [|n IH]; simpl; [rewrite norm_zero; lra|].
  eapply Rle_trans; [apply norm_triangle|]. lra.
Qed.

Lemma norm_minus_sym x y : norm (x - y) = norm (y - x).
Proof.
  unfold norm. f_equal.
  rewrite !dot_vadd, !dot_vadd_r, !dot_vscal, !dot_vscal_r, (dot_sym _ y x). ring.
Qed.

(** The square of a distance after a step: the only expansion that the proofs need. *)
Lemma sqr_step x y g a :
  << x - a * g - y, x - a * g - y >> =
  << x - y, x - y >> - 2 * a * << g, x - y >> + a ^ 2 * << g, g >>.
Proof.
  expand. rewrite (dot_sym _ g x), (dot_sym _ y x), (dot_sym _ g y). ring.
Qed.

End Norms.

(** * One variable *)

Definition convex (h : R -> R) : Prop :=
  forall u v s, 0 <= s <= 1 -> h (u + s * (v - u)) <= (1 - s) * h u + s * h v.

Definition lipschitz (L : R) (h : R -> R) : Prop :=
  forall u v, Rabs (h v - h u) <= L * Rabs (v - u).

Ltac in_reals := match goal with |- @eq _ ?a ?b => change (@eq R a b) end.

(** If h(s) - h(0) is at most s q, the slope at 0 is at most q. *)
Lemma slope_le (h : R -> R) (d q : R) :
  is_derive h 0 d -> (forall s, 0 < s <= 1 -> h s - h 0 <= s * q) -> d <= q.
Proof.
  intros D H. destruct (Rle_or_lt d q) as [|Hq]; [easy|exfalso].
  apply is_derive_Reals in D. destruct (D (d - q)) as [[e He] De]; [lra|]. simpl in De.
  pose (s := Rmin (e / 2) 1).
  assert (Hs : 0 < s <= 1) by (unfold s, Rmin; destruct Rle_dec; lra).
  assert (Hse : s < e) by (unfold s, Rmin; destruct Rle_dec; lra).
  specialize (De s). rewrite Rplus_0_l in De.
  assert (De' : Rabs ((h s - h 0) / s - d) < d - q).
  { apply De; [lra|]. rewrite Rabs_pos_eq; lra. }
  apply Rabs_def2 in De' as [_ De'].
  specialize (H s Hs).
  assert ((h s - h 0) / s <= q).
  { apply Rmult_le_reg_r with s; [lra|]. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
  lra.
Qed.

(** A function whose derivative is at most 0 on [0, 1] does not rise there. *)
Lemma not_rising (h h' : R -> R) :
  (forall s, 0 <= s <= 1 -> is_derive h s (h' s)) -> (forall s, 0 <= s <= 1 -> h' s <= 0) ->
  h 1 <= h 0.
Proof.
  intros D H. assert (E0 := Rmin_left 0 1 Rle_0_1). assert (E1 := Rmax_right 0 1 Rle_0_1).
  destruct (MVT_gen h 0 1 h') as (c & Hc & E).
  - intros x Hx. apply D. lra.
  - intros x Hx. apply continuity_pt_filterlim, (ex_derive_continuous h x).
    exists (h' x). apply D. lra.
  - specialize (H c ltac:(lra)). lra.
Qed.

(** A convex function of the output lies above its tangent. *)
Lemma tangent h (u d : R) :
  convex h -> is_derive h u d -> forall v, h u + d * (v - u) <= h v.
Proof.
  intros C D v.
  assert (is_derive (fun s => h (u + s * (v - u))) 0 ((v - u) * d)).
  { apply (is_derive_comp h (fun s => u + s * (v - u))).
    - now rewrite Rmult_0_l, Rplus_0_r.
    - auto_derive; [easy|in_reals; ring]. }
  apply (slope_le _ _ (h v - h u)) in H; [lra|].
  intros s Hs. assert (Cs := C u v s ltac:(lra)). rewrite Rmult_0_l, Rplus_0_r. lra.
Qed.

(** The slope of a Lipschitz function is at most its constant. *)
Lemma lipschitz_slope L h (u d : R) : lipschitz L h -> is_derive h u d -> Rabs d <= L.
Proof.
  intros H D.
  assert (D1 : is_derive (fun s => h (u + s)) 0 d).
  { replace d with (1 * d) by ring. apply (is_derive_comp h (fun s => u + s)).
    - now rewrite Rplus_0_r.
    - auto_derive; [easy|in_reals; ring]. }
  assert (B : forall s, 0 < s <= 1 -> Rabs (h (u + s) - h u) <= L * s).
  { intros s Hs. assert (G := H u (u + s)).
    replace (u + s - u) with s in G by ring. now rewrite (Rabs_pos_eq s) in G by lra. }
  apply Rabs_le. split.
  - assert (D2 : is_derive (fun s => - h (u + s)) 0 (- d)) by now apply (is_derive_opp (fun s => h (u + s))).
    apply (slope_le _ _ L) in D2; [lra|].
    intros s Hs. rewrite Rplus_0_r. specialize (B s Hs). apply Rabs_le_between in B. lra.
  - apply (slope_le _ _ L) in D1; [lra|].
    intros s Hs. rewrite Rplus_0_r. specialize (B s Hs). apply Rabs_le_between in B. lra.
Qed.

Lemma lipschitz_nonneg L h : lipschitz L h -> 0 <= L.
Proof.
  intros H. specialize (H 0 1). rewrite Rminus_0_r, Rabs_R1, Rmult_1_r in H.
  eapply Rle_trans; [apply Rabs_pos|exact H].
Qed.

Lemma bounded_nonneg C (h : R -> R) : (forall z, Rabs (h z) <= C) -> 0 <= C.
Proof. intros H. eapply Rle_trans; [apply Rabs_pos|apply (H 0)]. Qed.

Lemma bounded_slope_lipschitz (h h' : R -> R) C :
  (forall z, is_derive h z (h' z)) -> (forall z, Rabs (h' z) <= C) -> lipschitz C h.
Proof.
  intros D H u v.
  destruct (MVT_gen h u v h') as (c & _ & E).
  - intros; apply D.
  - intros x _. apply continuity_pt_filterlim, (ex_derive_continuous h x). now exists (h' x).
  - rewrite E, Rabs_mult. apply Rmult_le_compat_r; [apply Rabs_pos|apply H].
Qed.

(** Taylor's theorem of order one, from a Lipschitz derivative. *)
Lemma taylor_1 (h h' : R -> R) C :
  (forall z, is_derive h z (h' z)) -> lipschitz C h' ->
  forall u v : R, Rabs (h v - h u - h' u * (v - u)) <= C / 2 * (v - u) ^ 2.
Proof.
  intros D H u v. set (w := v - u).
  assert (Dw : forall s, is_derive (fun s => h (u + s * w)) s (w * h' (u + s * w))).
  { intros s. apply (is_derive_comp h (fun s => u + s * w)); [apply D|].
    auto_derive; [easy|in_reals; ring]. }
  assert (Hw : forall s, 0 <= s <= 1 ->
    - (C * s * w ^ 2) <= w * (h' (u + s * w) - h' u) <= C * s * w ^ 2).
  { intros s Hs. apply Rabs_le_between. rewrite Rabs_mult. assert (G := H u (u + s * w)).
    replace (u + s * w - u) with (s * w) in G by ring.
    rewrite Rabs_mult, (Rabs_pos_eq s) in G by lra.
    replace (w ^ 2) with (Rabs w ^ 2) by apply pow2_abs.
    assert (P := Rabs_pos w). nra. }
  assert (E : v = u + 1 * w) by (unfold w; ring).
  assert (E0 : u = u + 0 * w) by ring.
  apply Rabs_le. split.
  - assert (N : - h (u + 1 * w) + 1 * w * h' u - C / 2 * 1 ^ 2 * w ^ 2
              <= - h (u + 0 * w) + 0 * w * h' u - C / 2 * 0 ^ 2 * w ^ 2).
    { apply (not_rising (fun s => - h (u + s * w) + s * w * h' u - C / 2 * s ^ 2 * w ^ 2)
        (fun s => - (w * h' (u + s * w)) + w * h' u - C * s * w ^ 2)).
      - intros s _. apply (is_derive_minus (fun s => - h (u + s * w) + s * w * h' u)).
        + apply (is_derive_plus (fun s => - h (u + s * w))).
          * now apply (is_derive_opp (fun s => h (u + s * w))).
          * auto_derive; [easy|in_reals; ring].
        + auto_derive; [easy|in_reals; field].
      - intros s Hs. specialize (Hw s Hs). lra. }
    rewrite <- E, <- E0 in N. lra.
  - assert (N : h (u + 1 * w) - 1 * w * h' u - C / 2 * 1 ^ 2 * w ^ 2
              <= h (u + 0 * w) - 0 * w * h' u - C / 2 * 0 ^ 2 * w ^ 2).
    { apply (not_rising (fun s => h (u + s * w) - s * w * h' u - C / 2 * s ^ 2 * w ^ 2)
        (fun s => w * h' (u + s * w) - w * h' u - C * s * w ^ 2)).
      - intros s _. apply (is_derive_minus (fun s => h (u + s * w) - s * w * h' u)).
        + apply (is_derive_minus (fun s => h (u + s * w))); [easy|].
          auto_derive; [easy|in_reals; ring].
        + auto_derive; [easy|in_reals; field].
      - intros s Hs. specialize (Hw s Hs). lra. }
    rewrite <- E, <- E0 in N. lra.
Qed.

(** Taylor's theorem of order two, from a Lipschitz second derivative. *)
Lemma taylor_2 (h h' h'' : R -> R) C :
  (forall z, is_derive h z (h' z)) -> (forall z, is_derive h' z (h'' z)) -> lipschitz C h'' ->
  forall u v : R, Rabs (h v - h u - h' u * (v - u) - h'' u / 2 * (v - u) ^ 2)
    <= C / 6 * Rabs (v - u) ^ 3.
Proof.
  intros D D' H u v. set (w := v - u).
  assert (Dw : forall s, is_derive (fun s => h (u + s * w)) s (w * h' (u + s * w))).
  { intros s. apply (is_derive_comp h (fun s => u + s * w)); [apply D|].
    auto_derive; [easy|in_reals; ring]. }
  assert (Hw : forall s, 0 <= s <= 1 ->
    - (C / 2 * s ^ 2 * Rabs w ^ 3) <= w * (h' (u + s * w) - h' u - s * w * h'' u)
      <= C / 2 * s ^ 2 * Rabs w ^ 3).
  { intros s Hs. apply Rabs_le_between. rewrite Rabs_mult.
    assert (G := taylor_1 h' h'' C D' H u (u + s * w)).
    replace (u + s * w - u) with (s * w) in G by ring.
    replace ((s * w) ^ 2) with (s ^ 2 * Rabs w ^ 2) in G by (rewrite pow2_abs; ring).
    replace (s * w * h'' u) with (h'' u * (s * w)) by ring.
    replace (C / 2 * s ^ 2 * Rabs w ^ 3) with (Rabs w * (C / 2 * (s ^ 2 * Rabs w ^ 2))) by ring.
    apply Rmult_le_compat_l; [apply Rabs_pos|exact G]. }
  assert (E : v = u + 1 * w) by (unfold w; ring).
  assert (E0 : u = u + 0 * w) by ring.
  apply Rabs_le. split.
  - assert (N : - h (u + 1 * w) + 1 * w * h' u + 1 ^ 2 * w ^ 2 / 2 * h'' u - C / 6 * 1 ^ 3 * Rabs w ^ 3
              <= - h (u + 0 * w) + 0 * w * h' u + 0 ^ 2 * w ^ 2 / 2 * h'' u - C / 6 * 0 ^ 3 * Rabs w ^ 3).
    { apply (not_rising (fun s => - h (u + s * w) + s * w * h' u + s ^ 2 * w ^ 2 / 2 * h'' u
          - C / 6 * s ^ 3 * Rabs w ^ 3)
        (fun s => - (w * h' (u + s * w)) + w * h' u + s * w ^ 2 * h'' u - C / 2 * s ^ 2 * Rabs w ^ 3)).
      - intros s _. apply (is_derive_minus
          (fun s => - h (u + s * w) + s * w * h' u + s ^ 2 * w ^ 2 / 2 * h'' u)).
        + apply (is_derive_plus (fun s => - h (u + s * w) + s * w * h' u)).
          * apply (is_derive_plus (fun s => - h (u + s * w))).
            -- now apply (is_derive_opp (fun s => h (u + s * w))).
            -- auto_derive; [easy|in_reals; ring].
          * auto_derive; [easy|in_reals; field].
        + auto_derive; [easy|in_reals; field].
      - intros s Hs. specialize (Hw s Hs). lra. }
    rewrite <- E, <- E0 in N. lra.
  - assert (N : h (u + 1 * w) - 1 * w * h' u - 1 ^ 2 * w ^ 2 / 2 * h'' u - C / 6 * 1 ^ 3 * Rabs w ^ 3
              <= h (u + 0 * w) - 0 * w * h' u - 0 ^ 2 * w ^ 2 / 2 * h'' u - C / 6 * 0 ^ 3 * Rabs w ^ 3).
    { apply (not_rising (fun s => h (u + s * w) - s * w * h' u - s ^ 2 * w ^ 2 / 2 * h'' u
          - C / 6 * s ^ 3 * Rabs w ^ 3)
        (fun s => w * h' (u + s * w) - w * h' u - s * w ^ 2 * h'' u - C / 2 * s ^ 2 * Rabs w ^ 3)).
      - intros s _. apply (is_derive_minus
          (fun s => h (u + s * w) - s * w * h' u - s ^ 2 * w ^ 2 / 2 * h'' u)).
        + apply (is_derive_minus (fun s => h (u + s * w) - s * w * h' u)).
          * apply (is_derive_minus (fun s => h (u + s * w))); [easy|].
            auto_derive; [easy|in_reals; ring].
          * auto_derive; [easy|in_reals; field].
        + auto_derive; [easy|in_reals; field].
      - intros s Hs. specialize (Hw s Hs). lra. }
    rewrite <- E, <- E0 in N. lra.
Qed.

Lemma is_derive_total n (h : nat -> R -> R) (d : nat -> R) s :
  (forall i, (i < n)%nat -> is_derive (h i) s (d i)) ->
  is_derive (fun s => total n (fun i => h i s)) s (total n d).
Proof.
  induction n as [|n IH]; intros H; simpl.
  - apply (is_derive_const 0).
  - apply (is_derive_plus (fun s => total n (fun i => h i s))).
    + apply IH. intros. apply H. lia.
    + apply H. lia.
Qed.

(** * Gradients and projections *)

(** [g] is the gradient of [h] at [w]: along every line through [w] the derivative is <g, v>. *)
Definition is_gradient {V : inner_space} (h : V -> R) (w g : V) : Prop :=
  forall v : V, is_derive (fun s => h (w + s * v)%vec) 0 << g, v >>.

(** [p] is a point of [C] that is nearest to [v]. *)
Definition is_projection {V : inner_space} (C : V -> Prop) (v p : V) : Prop :=
  C p /\ forall w, C w -> norm (v - p) <= norm (v - w).

Definition convex_set {V : inner_space} (C : V -> Prop) : Prop :=
  forall p w s, 0 <= s <= 1 -> C p -> C w -> C (p + s * (w - p))%vec.

Definition convex_function {V : inner_space} (h : V -> R) : Prop :=
  forall u v s, 0 <= s <= 1 -> h (u + s * (v - u))%vec <= (1 - s) * h u + s * h v.

Lemma gradient_start {V : inner_space} (w v : V) : (w + 0 * v)%vec = w.
Proof. now rewrite vscal_zero, vadd_zero. Qed.

(** A convex function of the weights lies above its tangent. *)
Lemma tangent_plane {V : inner_space} (h : V -> R) (u g : V) :
  convex_function h -> is_gradient h u g -> forall v, h u + << g, v - u >> <= h v.
Proof.
  intros C D v. assert (E := D (v - u)%vec).
  apply (slope_le _ _ (h v - h u)) in E; [lra|].
  intros s Hs. rewrite gradient_start. assert (Cs := C u v s ltac:(lra)). lra.
Qed.

(** Projection brings nothing further away. *)
Lemma projection_contracts {V : inner_space} (C : V -> Prop) (v p w : V) :
  convex_set C -> is_projection C v p -> C w ->
  << p - w, p - w >> <= << v - w, v - w >>.
Proof.
  intros HC [Hp Hmin] Hw.
  (* the point p + s (w - p) is in C, so its distance from v is no less than that of p *)
  assert (H : forall s, 0 < s <= 1 -> 2 * << v - p, w - p >> <= s * << w - p, w - p >>).
  { intros s Hs.
    assert (G := Hmin _ (HC p w s ltac:(lra) Hp Hw)).
    apply norm_le_sqr in G. rewrite norm_sqr in G.
    expand_in G. expand. rewrite (dot_sym _ p v), (dot_sym _ w v), (dot_sym _ w p) in *. nra. }
  (* and the derivative at s = 0 gives <v - p, w - p> <= 0 *)
  assert (H0 : << v - p, w - p >> <= 0).
  { destruct (Rle_or_lt << v - p, w - p >> 0) as [|B]; [easy|exfalso].
    assert (P := dot_pos V (w - p)%vec). set (b := << v - p, w - p >>) in *.
    set (q := << w - p, w - p >>) in *.
    assert (b <= q) by (assert (H1 := H 1); lra).
    assert (Hs : 0 < b / q <= 1).
    { split; [apply Rdiv_lt_0_compat; lra|]. apply Rmult_le_reg_r with q; [lra|].
      unfold Rdiv. rewrite Rmult_assoc, Rinv_l; lra. }
    specialize (H _ Hs). unfold Rdiv in H. rewrite Rmult_assoc, Rinv_l in H; lra. }
  assert (P := dot_pos V (v - p)%vec).
  expand_in H0. expand_in P. expand.
  rewrite ?(dot_sym _ p v), ?(dot_sym _ w v), ?(dot_sym _ w p) in *. nra.
Qed.

(** Without a projection: the whole space is a convex set, and every point its own nearest. *)
Lemma no_projection {V : inner_space} (v : V) : is_projection (fun _ => True) v v.
Proof.
  split; [easy|]. intros w _. apply norm_le; [apply norm_pos|].
  rewrite norm_sqr. assert (E : << v - v, v - v >> = 0) by (rewrite vadd_opp; apply dot_zero).
  rewrite E. apply dot_pos.
Qed.

(** * Instances: the line, rows of weights, R^d *)

Definition line : inner_space.
Proof.
  refine {| vec := R; vzero := 0; vadd := Rplus; vscal := Rmult; dot := Rmult |};
    intros; try ring. nra.
Defined.

(** Weights of m units, each a vector of X, with the Frobenius inner product.
    Rows from m on are there, but count for nothing. *)
Definition rows (X : inner_space) (m : nat) : inner_space.
Proof.
  refine {| vec := nat -> X; vzero := fun _ => vzero; vadd := fun v w r => vadd (v r) (w r);
            vscal := fun a v r => vscal a (v r);
            dot := fun v w => total m (fun r => << v r, w r >>) |};
    intros; try (apply functional_extensionality; intros r).
  - apply vadd_comm.
  - apply vadd_assoc.
  - apply vadd_zero.
  - apply vadd_opp.
  - apply vscal_one.
  - apply vscal_vscal.
  - apply vscal_vadd.
  - apply vscal_plus.
  - apply total_ext. intros. apply dot_sym.
  - rewrite <- total_plus. apply total_ext. intros. apply dot_vadd.
  - rewrite <- total_scal. apply total_ext. intros. apply dot_vscal.
  - apply total_nonneg. intros. apply dot_pos.
Defined.

Definition euclidean (d : nat) : inner_space := rows line d.
